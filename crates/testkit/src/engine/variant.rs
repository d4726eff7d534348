//! Images made from others in the Engine itself, in the time of one container.

use bollard::{models::ContainerConfig, query_parameters::CommitContainerOptions};

use super::{Container, EngineError, Observer};

/// What is other in an image that is made from another one.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    entrypoint: Option<Vec<String>>,
    environment: Vec<String>,
    script: Option<String>,
}

impl Variant {
    /// Another entry point.
    pub fn entrypoint<S: Into<String>>(entrypoint: impl IntoIterator<Item = S>) -> Self {
        Self {
            entrypoint: Some(entrypoint.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// What a shell does to its files.
    pub fn script(mut self, script: impl Into<String>) -> Self {
        self.script = Some(script.into());
        self
    }
}

impl Observer {
    /// Makes an image `tag` from the image `base`, which must have a shell where the variant has a script, and returns
    /// its id.
    pub async fn image_variant(
        &self,
        base: &str,
        tag: &str,
        variant: Variant,
    ) -> Result<String, EngineError> {
        let image = self.docker().inspect_image(base).await?;
        let had = image.config.unwrap_or_default();
        let script = variant.script.unwrap_or_else(|| "true".to_owned());
        let name = format!("komodo-variant-{}", tag.replace(['/', ':'], "-"));
        let container = Container::new(&name, ["-c", &script])
            .image(base)
            .network_mode("none")
            .with(|body| body.entrypoint = Some(vec!["/bin/sh".to_owned()]));
        self.run(container).await?;
        let code = self.wait_exit(&name).await?;
        if code != 0 {
            return Err(EngineError::Script {
                arguments: script,
                message: format!("exit code {code}: {}", self.logs(&name).await?),
            });
        }
        let (repo, version) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
        let options = CommitContainerOptions {
            container: Some(name.clone()),
            repo: Some(repo.to_owned()),
            tag: Some(version.to_owned()),
            ..CommitContainerOptions::default()
        };
        let mut environment = had.env.unwrap_or_default();
        environment.extend(variant.environment);
        let config = ContainerConfig {
            entrypoint: variant.entrypoint.or(had.entrypoint),
            cmd: had.cmd,
            env: Some(environment),
            labels: had.labels,
            ..ContainerConfig::default()
        };
        let made = self.docker().commit_container(options, config).await?;
        self.remove(&name).await?;
        Ok(made.id)
    }
}
