//! What the tests of the `zookeeper-client` crate use of the `testcontainers` crate, with a process in place of a
//! container: their source is built as it was published, on a machine without Docker.
//!
//! The image is that of ZooKeeper: `/conf/zoo.cfg` or the image's own, `/data`, `SERVER_JVMFLAGS`. The server is
//! started as `java -cp $ZOOKEEPER_CLASSPATH .. QuorumPeerMain CONFIG`, so whoever comes first on `PATH` as `java` is
//! what they test. Paths of volumes are replaced by those of this machine, and the ports of a container that is not on
//! the host's network by free ones.

mod server;

/// `testcontainers::clients`.
pub mod clients {
    use std::marker::PhantomData;

    use crate::core::{Container, RunnableImage};
    use crate::images::generic::GenericImage;
    use crate::server::Server;

    /// The client that starts containers.
    #[derive(Debug, Default)]
    pub struct Cli;

    impl Cli {
        /// Starts one and waits until it is healthy.
        ///
        /// # Panics
        /// When it ends, or does not serve within two minutes; with what it printed.
        pub fn run(&self, image: impl Into<RunnableImage<GenericImage>>) -> Container<'_, GenericImage> {
            Container { server: Server::start(image.into().image), of: PhantomData }
        }
    }
}

/// `testcontainers::core`.
pub mod core {
    use std::fmt::Debug;
    use std::marker::PhantomData;
    use std::time::Duration;

    use crate::images::generic::GenericImage;
    use crate::server::{Log, Server};

    /// How Docker would ask for the health; here a server is asked by a four-letter word.
    #[derive(Debug, Default)]
    pub struct Healthcheck;

    impl Healthcheck {
        /// Left out: there is no `zkServer.sh`.
        #[must_use]
        pub fn with_cmd<S: Debug>(self, _words: impl Iterator<Item = S>) -> Healthcheck {
            self
        }

        /// Left out: asked every few milliseconds.
        #[must_use]
        pub fn with_interval(self, _interval: Duration) -> Healthcheck {
            self
        }

        /// Left out: asked for two minutes.
        #[must_use]
        pub fn with_retries(self, _retries: u32) -> Healthcheck {
            self
        }
    }

    /// When a container counts as started.
    #[derive(Debug)]
    pub enum WaitFor {
        /// When its health check says so.
        Healthcheck,
    }

    /// An image with what it is run with.
    #[derive(Debug)]
    pub struct RunnableImage<I> {
        pub(crate) image: I,
    }

    impl From<GenericImage> for RunnableImage<GenericImage> {
        fn from(image: GenericImage) -> Self {
            RunnableImage { image }
        }
    }

    impl RunnableImage<GenericImage> {
        /// A file or folder of this machine, and where the container has it.
        #[must_use]
        pub fn with_volume(mut self, (source, destination): (&str, &str)) -> Self {
            self.image.volumes.push((source.to_owned(), destination.to_owned()));
            self
        }

        /// `host`, or a network of its own.
        #[must_use]
        pub fn with_network(mut self, network: &str) -> Self {
            self.image.on_host = network == "host";
            self
        }
    }

    /// A running server, killed when dropped.
    #[derive(Debug)]
    pub struct Container<'a, I> {
        pub(crate) server: Server,
        pub(crate) of: PhantomData<(&'a (), I)>,
    }

    impl<I> Container<'_, I> {
        /// SIGTERM, and waits for the end.
        pub fn stop(&self) {
            self.server.stop();
        }

        /// Starts it again with its data and ports; does not wait until it serves.
        pub fn start(&self) {
            self.server.run();
        }

        /// The port of this machine behind one of the container.
        pub fn get_host_port(&self, port: u16) -> u16 {
            self.server.host_port(port)
        }

        /// What it prints.
        pub fn stdout(&self) -> LogStream {
            LogStream(self.server.log())
        }
    }

    /// What a container prints, from its first start on.
    #[derive(Debug)]
    pub struct LogStream(Log);

    impl LogStream {
        /// Waits until `text` has been printed.
        ///
        /// # Errors
        /// When it is not within two minutes; with what was printed.
        pub fn wait_for_message(&self, text: &str) -> Result<(), String> {
            self.0.wait_for(text)
        }
    }
}

/// `testcontainers::images`.
pub mod images {
    /// `testcontainers::images::generic`.
    pub mod generic {
        use crate::core::{Healthcheck, WaitFor};

        /// The image, whatever its name and tag: which server it is depends on `PATH`.
        #[derive(Debug)]
        pub struct GenericImage {
            pub(crate) environment: Vec<(String, String)>,
            pub(crate) volumes: Vec<(String, String)>,
            pub(crate) on_host: bool,
        }

        impl GenericImage {
            /// An image.
            pub fn new(_name: &str, _tag: &str) -> GenericImage {
                GenericImage { environment: Vec::new(), volumes: Vec::new(), on_host: false }
            }

            /// An environment variable in the container.
            #[must_use]
            pub fn with_env_var(mut self, name: &str, value: impl Into<String>) -> GenericImage {
                self.environment.push((name.to_owned(), value.into()));
                self
            }

            /// How its health is asked for.
            #[must_use]
            pub fn with_healthcheck(self, _healthcheck: Healthcheck) -> GenericImage {
                self
            }

            /// When it counts as started.
            #[must_use]
            pub fn with_wait_for(self, WaitFor::Healthcheck: WaitFor) -> GenericImage {
                self
            }
        }
    }
}
