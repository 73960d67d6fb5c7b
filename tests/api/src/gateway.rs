//! Real gateways in front of a service, set up as `docs/gateways.md` tells.

use std::{
    env,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use reqwest::StatusCode;
use tokio::time::sleep;
use uuid::Uuid;

/// What the documents tell to write, so that it is tried.
const DOCUMENTED: &str = include_str!("../../../docs/gateways.md");

/// A program that asks Subgrant before it lets a request pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind {
    /// By `auth_request`.
    Nginx,
    /// By `forward_auth`.
    Caddy,
    /// By `ext_authz`.
    Envoy,
    /// By `forwardAuth`.
    Traefik,
}

/// What a gateway is told.
#[derive(Debug, Clone)]
pub struct GatewaySetup {
    /// Where Subgrant is: `http://127.0.0.1:<port>`, one or several. Only nginx takes several, and tries the first one first.
    pub subgrant: Vec<String>,
    /// The id of the service.
    pub service: String,
    /// Its verification key.
    pub key: String,
    /// Where the service is.
    pub upstream: String,
}

/// A running gateway, which ends with this.
pub struct Gateway {
    /// Where it listens.
    pub origin: String,
    process: Child,
    directory: PathBuf,
}

impl Gateway {
    /// Starts one.
    pub async fn start(kind: GatewayKind, setup: &GatewaySetup) -> Self {
        let directory = env::temp_dir().join(format!("subgrant-gateway-{}", Uuid::now_v7().simple()));
        fs::create_dir(&directory).expect("a directory can be made");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port is free")
            .port();
        let log = directory.join("log");
        let output = File::create(&log).expect("the file can be written");
        let mut command = match kind {
            GatewayKind::Nginx => nginx(setup, &directory, port),
            GatewayKind::Caddy => caddy(setup, &directory, port),
            GatewayKind::Envoy => envoy(setup, &directory, port),
            GatewayKind::Traefik => traefik(setup, &directory, port),
        };
        // What they keep for themselves goes there too.
        command
            .current_dir(&directory)
            .env("HOME", &directory)
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a file can be opened twice")).stderr(output);
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("{kind:?} is installed by `cargo xtask test`, but cannot be started: {error}")
        });
        let mut gateway = Self { origin: format!("http://127.0.0.1:{port}"), process, directory };
        for _ in 0..600 {
            // Some listen before they know what to do. Who shows no token costs nobody anything.
            let answer = reqwest::get(&gateway.origin).await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                return gateway;
            }
            if gateway.process.try_wait().expect("it can be asked for").is_some() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{kind:?} asks nobody: {}", fs::read_to_string(&log).unwrap_or_default());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn nginx(setup: &GatewaySetup, directory: &Path, port: u16) -> Command {
    let servers = setup.subgrant.iter().map(|origin| format!("server {} max_fails=0;", authority(origin)));
    let configuration = format!(
        "daemon off; pid nginx.pid; error_log stderr;
           events {{}}
           http {{
             access_log off; client_max_body_size 10m;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             upstream subgrant_servers {{ {} }}
             server {{ listen 127.0.0.1:{port}; {} }}
           }}",
        servers.collect::<String>(),
        documented("nginx", "nginx", setup).replace("https://subgrant.example", "http://subgrant_servers"),
    );
    let file = written(directory, "nginx.conf", &configuration);
    // Its place in Debian is not on everybody's `PATH`.
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(directory).arg("-c").arg(file).args(["-e", "stderr"]);
    // Workers of root would be `nobody`, who may not enter the directory.
    command.args(["-g", "master_process off;"]);
    command
}

fn caddy(setup: &GatewaySetup, directory: &Path, port: u16) -> Command {
    let site = documented("Caddy", "caddyfile", setup)
        .replace("https://subgrant.example", &setup.subgrant[0])
        .replace("reports.example", &format!("http://127.0.0.1:{port}"));
    let file = written(directory, "Caddyfile", &format!("{{\n admin off\n}}\n{site}"));
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command
}

fn envoy(setup: &GatewaySetup, directory: &Path, port: u16) -> Command {
    let manager = documented("Envoy", "yaml", setup).replace("https://subgrant.example", &setup.subgrant[0]);
    let indent = " ".repeat(10);
    let manager = manager.replace('\n', &format!("\n{indent}"));
    let cluster = |name: &str, origin: &str| {
        let (host, port) = authority(origin).split_once(':').expect("an address has a port");
        format!(
            "  - name: {name}\n    load_assignment:\n      cluster_name: {name}\n      endpoints:\n      - lb_endpoints:\n        \
             - endpoint: {{address: {{socket_address: {{address: {host}, port_value: {port}}}}}}}\n"
        )
    };
    let configuration = format!(
        "static_resources:\n  listeners:\n  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}\n    \
         filter_chains:\n    - filters:\n      - name: http\n        typed_config:\n{indent}{manager}\n  clusters:\n{}{}",
        cluster("subgrant", &setup.subgrant[0]),
        cluster("reports", &setup.upstream),
    );
    let file = written(directory, "envoy.yaml", &configuration);
    let mut command = Command::new(installed("envoy"));
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "-c"]).arg(file);
    command
}

fn traefik(setup: &GatewaySetup, directory: &Path, port: u16) -> Command {
    let middlewares =
        documented("Traefik", "yaml", setup).replace("https://subgrant.example", &setup.subgrant[0]);
    let configuration = format!(
        "{middlewares}  routers:\n    reports:\n      rule: PathPrefix(`/`)\n      service: reports\n      \
         middlewares: [subgrant-before, subgrant, subgrant-after]\n  services:\n    reports:\n      \
         loadBalancer: {{servers: [{{url: \"{}\"}}]}}\n",
        setup.upstream
    );
    let file = written(directory, "reports.yaml", &configuration);
    let mut command = Command::new(installed("traefik"));
    command.arg(format!("--entryPoints.web.address=127.0.0.1:{port}"));
    command.arg(format!("--providers.file.filename={}", file.display()));
    command.args(["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]);
    command
}

/// The first block of a language in a section of the documents, with the setup in place of the example's.
fn documented(section: &str, language: &str, setup: &GatewaySetup) -> String {
    let found = DOCUMENTED
        .split_once(&format!("\n## {section}\n"))
        .and_then(|(_, section)| section.split_once(&format!("```{language}\n")))
        .and_then(|(_, block)| block.split_once("```"));
    let (block, _) = found.unwrap_or_else(|| panic!("the documents have a block for {section}"));
    let examples = [
        ("svc_01kaq2v0j8e4kbhgdw2n4cmxf1", setup.service.as_str()),
        ("svk_YOUR_KEY", &setup.key),
        ("http://reports.internal", &setup.upstream),
    ];
    examples.into_iter().fold(block.to_owned(), |block, (example, own)| block.replace(example, own))
}

fn authority(origin: &str) -> &str {
    origin.strip_prefix("http://").expect("an address is one of plain HTTP")
}

fn written(directory: &Path, name: &str, text: &str) -> PathBuf {
    let file = directory.join(name);
    fs::write(&file, text).expect("the file can be written");
    file
}

/// A program out of a Python package: `cargo xtask test` installs it and says where.
fn installed(name: &str) -> PathBuf {
    let directory = env::var_os("SUBGRANT_GATEWAY_PROGRAMS").expect("`cargo xtask test` says where they are");
    Path::new(&directory).join(name)
}
