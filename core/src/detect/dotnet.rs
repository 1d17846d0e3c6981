//! Apps of .NET.

use super::images;
use super::node::said;
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::versions::{self, Wish};
use super::words::{self, Start};
use crate::rejection::Rejection;

/// Finds out how an app of .NET is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let projects: Vec<&str> = repo
        .all()
        .filter(|path| path.ends_with(".csproj") || path.ends_with(".fsproj"))
        .filter(|path| path.matches('/').count() <= 2)
        .collect();
    let least = projects.iter().map(|path| path.matches('/').count()).min();
    let Some(least) = least else { return Ok(None) };
    let nearest = projects.iter().filter(|path| path.matches('/').count() == least);
    // What serves the web says so.
    let web = projects.iter().find(|path| repo.texts_of(path).contains("Microsoft.NET.Sdk.Web"));
    let mut nearest =
        nearest.filter(|path| !repo.texts_of(path).contains("Microsoft.NET.Test.Sdk"));
    let Some(project) = web.or_else(|| nearest.next()) else { return Ok(None) };
    let text = repo.text(project)?.unwrap_or("<Project/>");
    let file = roxmltree::Document::parse(text).map_err(|error| repo.broken(project, &error))?;
    let value = |name: &str| {
        let mut nodes = file.descendants().filter(|node| node.tag_name().name() == name);
        nodes.next().and_then(|node| node.text()).map(str::trim)
    };
    let framework =
        value("TargetFramework").or_else(|| value("TargetFrameworks")?.split(';').next());
    let framework = framework.or_else(|| {
        let props = repo.texts_of("Directory.Build.props");
        props.split_once("<TargetFramework>")?.1.split('<').next().map(str::trim)
    });
    let framework = framework
        .and_then(|name| name.strip_prefix("net"))
        .map(|version| version.trim_end_matches(".0"));
    let wish = said(repo, "dotnet").or(Wish::of(framework, "TargetFramework"));
    let (line, why) = versions::choose(&images::DOTNET, wish.as_ref())?;
    let mut recipe = Recipe::new("dotnet", line.build, line.run);
    recipe.versions.push(("dotnet", line.line.to_owned()));
    recipe.manager = Some("nuget");
    recipe.because(format!("{project} is there"));
    recipe.because(why);
    let of_web = text.contains("Microsoft.NET.Sdk.Web");
    // What runs in browsers alone is a site.
    let of_browser = text.contains("Microsoft.NET.Sdk.BlazorWebAssembly");
    recipe.sure = of_web || of_browser;
    if of_web {
        recipe.framework = Some("ASP.NET Core");
    }
    let path = words::path(project, "the path of the project")?;
    let stem =
        path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(s, _)| s);
    let assembly = words::name(value("AssemblyName").unwrap_or(stem), "AssemblyName")?;
    // Of the SDKs that global.json could name, the image has the newest of its line. From outside,
    // dotnet does not look for that file.
    let project = if repo.has("global.json") {
        recipe.because("the SDK is the image's, whatever global.json says");
        format!("cd / && dotnet publish /app/{path}")
    } else {
        format!("dotnet publish {path}")
    };
    // Tools of the project's own may be run by its build.
    let tools = if repo.has(".config/dotnet-tools.json") {
        recipe.because(".config/dotnet-tools.json names tools: they are restored");
        "dotnet tool restore && "
    } else {
        ""
    };
    if of_browser {
        recipe.framework = Some("Blazor");
        let line = format!("{tools}{project} --configuration Release --output /app/published-site");
        recipe.build.push(Run::own(line).cached(&["/root/.nuget/packages"]).of_app());
        let folder = "published-site/wwwroot".to_owned();
        recipe.output = Some(Output { folder, missing: Missing::Index });
        recipe.because("Blazor: it runs in browsers, and what it builds is served as it is");
        return Ok(Some(recipe));
    }
    let line =
        format!("{tools}{project} --configuration Release --output /out -p:UseAppHost=false");
    if text.contains("npm ") {
        super::ruby::with_node(&mut recipe)?;
    }
    recipe.build.push(Run::own(line).cached(&["/root/.nuget/packages"]).of_app());
    recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
    recipe.run_env("DOTNET_EnableDiagnostics", "0");
    recipe.start = Some(if of_web {
        Start::own(format!("ASPNETCORE_URLS=http://+:${{PORT:-8080}} exec dotnet {assembly}.dll"))
    } else {
        Start::words(&["dotnet", &format!("{assembly}.dll")])
    });
    Ok(Some(recipe))
}
