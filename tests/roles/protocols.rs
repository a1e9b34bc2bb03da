//! The other protocols of the broker: WebSocket for browsers, MQTT for devices. Both publish to the same
//! streams, with no more rights.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jumeau::bus::Bus;
use jumeau::event::Channel;
use jumeau::roles::Company;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::rig::{Rig, company, free_port, in_time};

/// An encrypted connection to a port of the broker, which has to show the authority's certificate.
async fn knock(rig: &Rig, port: &str) -> TlsStream<TcpStream> {
    let authority = rig.folder.path().join("keys").join("ca.pem");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(port).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    in_time(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

/// NATS over WebSocket, as a browser's client speaks it.
struct Browser {
    stream: TlsStream<TcpStream>,
    /// What came and was not looked at.
    heard: String,
}

impl Browser {
    async fn open(rig: &Rig, port: &str, user: &str) -> Browser {
        let mut browser = Browser { stream: knock(rig, port).await, heard: String::new() };
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
            STANDARD.encode([7; 16])
        );
        browser.stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(in_time(browser.stream.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));

        let info = browser.line("INFO ").await;
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let seed = rig.folder.path().join("keys").join(format!("{user}.nk"));
        let key = nkeys::KeyPair::from_seed(std::fs::read_to_string(seed).unwrap().trim()).unwrap();
        let signed = key.sign(info["nonce"].as_str().unwrap().as_bytes()).unwrap();
        let connect = serde_json::json!({
            "nkey": key.public_key(), "sig": URL_SAFE_NO_PAD.encode(signed), "verbose": false,
            "pedantic": false, "headers": true, "lang": "test", "version": "1", "protocol": 1,
        });
        browser.say(&format!("CONNECT {connect}\r\nPING\r\n")).await;
        browser.line("PONG").await;
        browser
    }

    async fn say(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap();
        // A binary frame of a client: masked, here with nothing.
        let mut frame = vec![0x82, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// What follows the beginning of the next line that begins so.
    async fn line(&mut self, beginning: &str) -> String {
        loop {
            while let Some((line, rest)) = self.heard.split_once("\r\n") {
                let found = line.strip_prefix(beginning).map(str::to_owned);
                self.heard = rest.to_owned();
                if let Some(found) = found {
                    return found;
                }
            }
            let mut head = [0; 2];
            in_time(self.stream.read_exact(&mut head)).await.unwrap();
            let length = match head[1] {
                126 => u64::from(self.stream.read_u16().await.unwrap()),
                127 => self.stream.read_u64().await.unwrap(),
                short => short.into(),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            in_time(self.stream.read_exact(&mut payload)).await.unwrap();
            self.heard += &String::from_utf8_lossy(&payload);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_reports_over_websocket_with_its_channel_s_key_and_no_more_rights() {
    let address = format!("127.0.0.1:{}", free_port());
    let company = Company { websocket: Some(address.clone()), ..company(&["web", "app"]) };
    let rig = Rig::of(&company, |security| security).await;
    let mut browser = Browser::open(&rig, &address, "channel-web").await;

    browser.say("SUB _INBOX.channel-web.1 1\r\n").await;
    let event = r#"{"type":"page","data":{"name":"home"}}"#;
    let publish = |subject: &str| {
        format!("PUB {subject} _INBOX.channel-web.1 {}\r\n{event}\r\n", event.len())
    };
    browser.say(&publish("jumeau.events.web.ann")).await;
    browser.line("MSG _INBOX.channel-web.1 1 ").await;
    let stored = browser.line("{").await;
    assert!(stored.contains(r#""stream":"JUMEAU_EVENTS""#), "{stored}");

    for subject in ["jumeau.events.app.ann", "jumeau.audit.show", "$JS.API.INFO"] {
        browser.say(&publish(subject)).await;
        let refusal = browser.line("-ERR ").await.to_lowercase();
        assert!(refusal.contains(&subject.to_lowercase()), "{refusal}");
    }
    assert_eq!(rig.last("JUMEAU_EVENTS").await, 1);
}

/// MQTT 3.1.1, as far as a device needs it to report.
struct Device {
    stream: TlsStream<TcpStream>,
}

impl Device {
    /// Comes in, or is told why not: the broker's code.
    async fn open(rig: &Rig, port: &str, user: &str, password: &str) -> Result<Device, u8> {
        let mut device = Device { stream: knock(rig, port).await };
        let mut body = Vec::new();
        body.extend(text("MQTT"));
        // Version 3.1.1; a user, a password, nothing to be kept; a minute of silence.
        body.extend([4, 0xC2, 0, 60]);
        for field in ["device-1", user, password] {
            body.extend(text(field));
        }
        device.send(0x10, &body).await;
        let mut answer = [0; 4];
        in_time(device.stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer[0], 0x20, "{answer:?}");
        if answer[3] == 0 { Ok(device) } else { Err(answer[3]) }
    }

    /// Reports at least once, and waits until the broker says that it has it.
    async fn report(&mut self, topic: &str, payload: &str, number: u16) {
        let mut body = text(topic);
        body.extend(number.to_be_bytes());
        body.extend(payload.as_bytes());
        self.send(0x32, &body).await;
        let mut answer = [0; 4];
        in_time(self.stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer[0], 0x40, "{answer:?}");
    }

    async fn send(&mut self, kind: u8, body: &[u8]) {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let (low, more) = (u8::try_from(left % 128).unwrap(), left / 128);
            packet.push(if more > 0 { low | 0x80 } else { low });
            left = more;
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await.unwrap();
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&length, text.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_reports_over_mqtt_in_its_channel_only() {
    let address = format!("127.0.0.1:{}", free_port());
    let company = Company {
        mqtt: Some(address.clone()),
        devices: vec!["car".into()],
        ..company(&["web", "app"])
    };
    let rig = Rig::of(&company, |security| security).await;
    let password = rig.folder.path().join("keys").join("device-car.password");
    let password = std::fs::read_to_string(password).unwrap();
    let password = password.trim();
    let nats = rig.prepared.nats("operator-anna", &rig.broker.url()).unwrap();
    let operator = Bus::visit(&nats).await.unwrap();
    let car = Channel::new("car").unwrap();
    let mut arrivals = operator.arrivals(Some(&car), None).await.unwrap();

    let mut device = Device::open(&rig, &address, "device-car", password).await.ok().unwrap();
    let event = r#"{"type":"track","id":"trip-1","data":{"name":"Parked"}}"#;
    // The broker says that it has all of them. Only what the channel may publish is stored.
    for (number, topic) in [
        "jumeau/events/web/ann",
        "jumeau/events/_jumeau/ann",
        "jumeau/audit/erase",
        "$JS/API/STREAM/DELETE/JUMEAU_AUDIT",
    ]
    .into_iter()
    .enumerate()
    {
        device.report(topic, event, u16::try_from(number + 1).unwrap()).await;
    }
    device.report("jumeau/events/car/alice%2Eb", event, 9).await;
    let arrived = in_time(arrivals.next()).await.unwrap();
    assert_eq!(&*arrived.subject, "jumeau.events.car.alice%2Eb");
    assert_eq!(arrived.payload, event);
    assert!(arrived.headers.get("Nats-Msg-Id").is_none(), "so it needs an id of its own");
    let last = |stream| rig.last(stream);
    assert_eq!((last("JUMEAU_EVENTS").await, last("JUMEAU_AUDIT").await), (1, 0));

    // The password opens this door only, and only with the right one.
    assert!(Device::open(&rig, &address, "device-car", "wrong").await.is_err());
    let over_nats = async_nats::ConnectOptions::new()
        .user_and_password("device-car".into(), password.into())
        .add_root_certificates(rig.folder.path().join("keys").join("ca.pem"))
        .require_tls(true)
        .connection_timeout(Duration::from_secs(5))
        .connect(rig.broker.url())
        .await;
    assert!(over_nats.is_err());
}
