//! People once more: what lies around apps, which changes nothing about what runs.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{App, AppCommand, SettingsChange, SourceKey};
use hythe_core::domain::DomainMode;
use hythe_core::hook::{Provider, PublicAddress, RepositoryKey};
use hythe_core::ids::AppId;
use hythe_core::installation::{Installation, InstallationCommand, SshKey};
use hythe_core::project::{Project, ProjectCommand};

use crate::made;
use crate::world::World;

impl World {
    /// Projects, webhooks, keys and the like come and go.
    pub(crate) fn change_what_lies_around(&mut self, app: AppId) {
        match self.random.u32(..8) {
            0 => self.create_project(),
            1 => self.delete_project(),
            2 => self.move_to_a_project(app),
            3 => self.change_the_key(app),
            4 => self.remove_a_variable(app),
            5 => self.set_a_domain(app),
            6 => self.change_hooks(),
            _ => self.change_address(),
        }
    }

    fn create_project(&mut self) {
        self.user.projects += 1;
        let (id, name) = (made::project_id(self.user.projects), self.random.u64(..2));
        let create = ProjectCommand::Create { id, name: made::project_name(name) };
        self.ask::<Project>("create a project", id.uuid(), create);
    }

    fn delete_project(&mut self) {
        if let Some(id) = self.control.view.projects.keys().next().copied() {
            self.ask::<Project>("delete a project", id.uuid(), ProjectCommand::Delete);
        }
    }

    fn move_to_a_project(&mut self, app: AppId) {
        let Some(project) = self.control.view.projects.keys().next().copied() else { return };
        let change = SettingsChange { project: Some(project), ..SettingsChange::default() };
        self.ask::<App>("move", app.uuid(), AppCommand::Configure(Box::new(change)));
    }

    fn change_the_key(&mut self, app: AppId) {
        let at = self.control_now();
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let Some(version) = state.map(|app| app.next_source_key()) else { return };
        let key = SshKey::new(format!("ssh-ed25519 {}", "A".repeat(68))).unwrap();
        let key = SourceKey { key, version, at };
        self.ask::<App>("set the key of", app.uuid(), AppCommand::SetSourceKey(key));
    }

    fn remove_a_variable(&mut self, app: AppId) {
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let Some(name) = state.and_then(|app| app.env.keys().next().cloned()) else { return };
        let remove = BTreeSet::from([name]);
        let change = AppCommand::ChangeEnvironment { set: BTreeMap::new(), remove };
        self.ask::<App>("remove a variable of", app.uuid(), change);
    }

    fn set_a_domain(&mut self, app: AppId) {
        let state = self.control.view.apps.get(&app).and_then(|app| app.state.active());
        let host = state.and_then(|app| app.domains.iter().next().map(|(host, _)| host.clone()));
        let Some(host) = host else { return };
        let modes = [DomainMode::Main, DomainMode::Redirect, DomainMode::Serve];
        let mode = modes[self.random.usize(..3)];
        self.ask::<App>("set a domain of", app.uuid(), AppCommand::SetDomain { host, mode });
    }

    fn change_hooks(&mut self) {
        let at = self.control_now();
        let id = made::hook_id(self.random.u64(..2));
        let known = self.control.view.installation.state.hooks.get(&id);
        let version = known.map(|hook| hook.version + 1);
        let (asked, command) = match version {
            Some(version) if self.random.bool() => {
                ("rotate a hook", InstallationCommand::RotateHook { id, version, at })
            }
            Some(_) => ("remove a hook", InstallationCommand::RemoveHook { id }),
            None => {
                let repository = RepositoryKey::new("git.example/shop").unwrap();
                let provider = Provider::GitHub;
                let command = InstallationCommand::AddHook { id, provider, repository, at };
                ("add a hook", command)
            }
        };
        self.ask::<Installation>(asked, made::installation().uuid(), command);
    }

    fn change_address(&mut self) {
        let (asked, command) = if self.control.view.installation.state.address.is_some() {
            ("remove the address", InstallationCommand::RemoveAddress)
        } else {
            let address = PublicAddress::new("https://hythe.example").unwrap();
            ("set the address", InstallationCommand::SetAddress { address })
        };
        self.ask::<Installation>(asked, made::installation().uuid(), command);
    }
}
