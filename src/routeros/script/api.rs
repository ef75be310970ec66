//! The API's side of the set-up script: its user, and the service with its certificate.

use super::{COMMENT, NAME, SERVICE_POLICY, alone, once, remark};
use crate::domain::api::{PLAIN_PORT, TLS_PORT, Trust};
use crate::domain::router::Router;
use crate::gate::router_api::{Command, Expected, Step, Verb};
use crate::secret::Secret;

/// What stands for the password of the API user.
const API_PASSWORD: &str = "apiPassword";
/// The certificate of api-ssl.
const CERTIFICATE: &str = "radgram-api";

/// The user, and the group with its rights.
pub fn user(router: &Router, expected: &Expected) -> Vec<Step> {
    // Without an API log-in here, whoever runs the script chooses the password.
    let password = router.api.as_ref().map_or_else(Secret::default, |api| api.password.clone());
    let group = Command::new("/user/group", Verb::Add).with("name", NAME).with("policy", SERVICE_POLICY);
    let add = Command::new("/user", Verb::Add)
        .with("name", &expected.api_user)
        .with("group", NAME)
        .with_secret("password", API_PASSWORD, &password)
        .with("address", &alone(expected.server))
        .with("comment", COMMENT);
    // Only of a user that the script made: who runs radgram as another user rules its password elsewhere.
    let refresh = Command::new("/user", Verb::Set)
        .whose("name", &expected.api_user)
        .whose("comment", COMMENT)
        .with_secret("password", API_PASSWORD, &password)
        .with("address", &alone(expected.server));
    vec![
        remark(
            "4. The API user, with the least rights, from radgram's address only. To adopt the passwords of accounts in\n\
             /ppp secret it must see them; take the right away again afterwards:\n\
             /user group set [find where name=\"radgram\"] policy=api,read,write,sensitive",
        ),
        once("/user/group", "name", NAME, vec![Step::Do(group)]),
        once("/user", "name", &expected.api_user, vec![Step::Do(add)]),
        Step::Do(refresh),
    ]
}

/// The service that radgram uses, for its address alone.
pub fn service(router: &Router, expected: &Expected) -> Vec<Step> {
    let trust = router.api.as_ref().map(|api| &api.trust);
    let own_port = router.api.as_ref().and_then(|api| api.address.port);
    let (name, usual) = match trust {
        Some(Trust::Plain) => ("api", PLAIN_PORT),
        Some(Trust::Authority(_) | Trust::Pinned(_)) | None => ("api-ssl", TLS_PORT),
    };
    let port = own_port.unwrap_or(usual).to_string();
    let set = Command::new("/ip/service", Verb::Set)
        .whose("name", name)
        .with("address", &alone(expected.server))
        .with("port", &port)
        .with("disabled", "no");
    let input = format!(
        "If the input chain drops what it does not know, let radgram through, above the rule that drops:\n\
         /ip firewall filter add chain=input protocol=tcp dst-port={port} src-address={} action=accept comment=\"radgram: API\"",
        expected.server
    );
    match trust {
        Some(Trust::Plain) => vec![
            remark(format!(
                "7. The API without TLS, for radgram's address only. Fine inside a tunnel; otherwise choose TLS in radgram\n\
                 and take the script again.\n{input}",
            )),
            Step::Do(set),
        ],
        Some(Trust::Authority(_)) => vec![
            remark(format!(
                "7. The API with TLS, for radgram's address only. It needs a certificate of your authority that names this\n\
                 router: /ip service set api-ssl certificate=NAME\n{input}",
            )),
            Step::Do(set),
        ],
        Some(Trust::Pinned(_)) | None => with_own_certificate(set, &input),
    }
}

/// A service with a certificate that the router makes. Without one the router offers no TLS that can be trusted.
fn with_own_certificate(set: Command, input: &str) -> Vec<Step> {
    let certificate = |verb| Command::new("/certificate", verb);
    let add = certificate(Verb::Add)
        .with("name", CERTIFICATE)
        .with("common-name", CERTIFICATE)
        .with("days-valid", "3650")
        .with("key-usage", "digital-signature,key-encipherment,tls-server");
    let sign = certificate(Verb::Sign).whose("name", CERTIFICATE);
    vec![
        remark(format!(
            "7. The API with TLS, for radgram's address only, with a certificate that the router makes. radgram shows the\n\
             fingerprint that it sees: compare it with /certificate print detail\n\
             Other services, the API without TLS among them, stay as they are. Switch off what nobody uses.\n{input}",
        )),
        once("/certificate", "name", CERTIFICATE, vec![Step::Do(add), Step::Do(sign)]),
        remark("Signing takes up to a minute. If this line is refused meanwhile, run the script again."),
        Step::Do(set.with("certificate", CERTIFICATE)),
    ]
}
