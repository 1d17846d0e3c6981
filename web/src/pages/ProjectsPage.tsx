import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { projectsQuery } from "../api/queries";
import { Answered } from "../parts/Notice";
import { Outcome } from "../parts/Outcome";
import { Section } from "../parts/Section";
import { Heading } from "../parts/Small";
import { useFocusBack } from "../parts/useFocusBack";
import { AddProject } from "../projects/AddProject";
import { MoveApp } from "../projects/MoveApp";
import { ProjectRow } from "../projects/ProjectRow";

/** Which apps belong together: they may answer at paths of one another's hosts. */
export function ProjectsPage() {
  const answer = useQuery(projectsQuery);
  const { heading, leave } = useFocusBack();
  const [said, setSaid] = useState("");
  return (
    <div className="page">
      <nav className="crumbs" aria-label="You are here">
        <Link to="/">Apps</Link>
      </nav>
      <div className="title">
        <Heading title="Projects">Projects</Heading>
        <p className="faint">apps that belong together</p>
      </div>
      <Answered answer={answer} what="projects">
        {({ items }) => (
          <div className="sections">
            <Section title="All projects" heading={heading}>
              <ul className="lines">
                {items.map((project) => (
                  <ProjectRow
                    key={project.id}
                    project={project}
                    onRemoved={() => {
                      leave();
                      setSaid(`${project.name} is gone.`);
                    }}
                  />
                ))}
              </ul>
              <Outcome>{said}</Outcome>
            </Section>
            <AddProject onAdded={(name) => setSaid(`${name} is there.`)} />
            <MoveApp
              projects={items.map(({ name }) => name)}
              apps={items.flatMap(({ apps }) => apps)}
              onMoved={(app, project) => setSaid(`${app} is in ${project}.`)}
            />
          </div>
        )}
      </Answered>
    </div>
  );
}
