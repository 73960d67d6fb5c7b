//! A real nginx in front of a service, set up as `docs/gateways.md` tells.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{net::TcpStream, time::sleep};
use uuid::Uuid;

/// What the documents tell to write, so that it is tried.
const DOCUMENTED: &str = include_str!("../../../docs/gateways.md");

/// A running nginx, which ends with this.
pub struct Nginx {
    /// Where it listens.
    pub origin: String,
    process: Child,
    directory: PathBuf,
}

impl Nginx {
    /// Starts one that asks the server at `subgrant` about requests at a service.
    pub async fn start(subgrant: &str, service: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("subgrant-nginx-{}", Uuid::now_v7().simple()));
        fs::create_dir(&directory).expect("a directory can be made");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port is free")
            .port();
        let upstream = directory.join("upstream.sock");
        let gateway = documented("nginx")
            .replace("https://subgrant.example", subgrant)
            .replace("svc_01kaq2v0j8e4kbhgdw2n4cmxf1", service)
            .replace("http://reports.internal", &format!("http://unix:{}:", upstream.display()));
        let configuration = format!(
            r#"daemon off; pid nginx.pid; error_log stderr;
               events {{}}
               http {{
                 access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 server {{
                   listen unix:{};
                   location / {{ return 200 "$request_method $request_uri is paid by $http_x_subgrant_delegation_id\n"; }}
                 }}
                 server {{ listen 127.0.0.1:{port}; {gateway} }}
               }}"#,
            upstream.display()
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration).expect("the file can be written");
        let mut command = Command::new(program());
        command.arg("-p").arg(&directory).arg("-c").arg(&file).args(["-e", "stderr"]);
        // Workers of root would be `nobody`, who may not enter the directory.
        command.args(["-g", "master_process off;"]).stdin(Stdio::null());
        let process = command.spawn().expect("nginx is installed: `cargo xtask test` does so");
        let nginx = Self { origin: format!("http://127.0.0.1:{port}"), process, directory };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return nginx;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("nginx does not listen");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Its place in Debian is not on everybody's `PATH`.
fn program() -> &'static str {
    if std::path::Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}

/// The block of the documents in a language.
fn documented(language: &str) -> String {
    let (_, rest) =
        DOCUMENTED.split_once(&format!("```{language}\n")).expect("the documents have such a block");
    rest.split_once("```").expect("it ends").0.to_owned()
}
