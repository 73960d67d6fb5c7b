//! A real nginx as the proxy in front of a server, set up as `docs/proxies.md` tells.

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
const DOCUMENTED: &str = include_str!("../../../docs/proxies.md");

/// A running nginx, which ends with this.
pub struct Proxy {
    /// Where it listens.
    pub origin: String,
    process: Child,
    directory: PathBuf,
}

impl Proxy {
    /// Starts one in front of the server at `subgrant`.
    pub async fn start(subgrant: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("subgrant-proxy-{}", Uuid::now_v7().simple()));
        fs::create_dir(&directory).expect("a directory can be made");
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free");
        let port = free.port();
        let (_, rest) = DOCUMENTED.split_once("```nginx\n").expect("the documents have such a block");
        let documented = rest.split_once("```").expect("it ends").0;
        let upstream = subgrant.strip_prefix("http://").expect("an origin");
        let documented = documented
            .replace("127.0.0.1:8402", upstream)
            .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port};"));
        // No certificate is at hand; what the server is told does not depend on one.
        let plain = documented.lines().filter(|line| !line.trim_start().starts_with("ssl_"));
        let documented: String = plain.flat_map(|line| [line, "\n"]).collect();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};"));
        let configuration = format!(
            "daemon off; pid nginx.pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off; {}\n{documented} }}\n",
            paths.concat()
        );
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration).expect("the file can be written");
        let mut command = Command::new(program());
        command.arg("-p").arg(&directory).arg("-c").arg(&file).args(["-e", "stderr"]);
        // Workers of root would be `nobody`, who may not enter the directory.
        command.args(["-g", "master_process off;"]).stdin(Stdio::null());
        let process = command.spawn().expect("nginx is installed: `cargo xtask test` does so");
        let proxy = Self { origin: format!("http://127.0.0.1:{port}"), process, directory };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return proxy;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("nginx does not listen");
    }
}

impl Drop for Proxy {
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
