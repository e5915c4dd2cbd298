//! Carrier, phone or caller on rsipstack, a SIP stack that shares nothing with ours. It tells what happens, a line each.

mod media;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rsipstack::EndpointBuilder;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::dialog::{Dialog, DialogState, DialogStateReceiver, DialogStateSender};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::dialog::registration::Registration;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{Header, Method, StatusCode, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::TransactionRole;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{TcpListenerConnection, TransportLayer};

use media::Media;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long a phone rings.
const RINGS: Duration = Duration::from_millis(300);
/// What a session description is called.
const SDP: &str = "application/sdp";

#[derive(Parser)]
struct Args {
    /// Address and port of its own.
    #[arg(long)]
    at: SocketAddr,
    /// Over TCP instead of UDP.
    #[arg(long)]
    tcp: bool,
    /// Hangs up so long after the answer; 0 leaves that to the other side.
    #[arg(long, default_value_t = 0)]
    talk_ms: u64,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answers every call.
    Carrier,
    /// Registers, then answers every call.
    Phone { registrar: SocketAddr, user: String, password: String },
    /// Calls once.
    Caller { callee: String, caller: String },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Args { at, tcp, talk_ms, role } = Args::parse();
    let ended = CancellationToken::new();
    let transports = TransportLayer::new(ended.clone());
    if tcp {
        let listener = TcpListenerConnection::new(at, None).await?;
        transports.add_transport(listener.into());
    } else {
        let socket = UdpConnection::create_connection(at, None, Some(ended.child_token())).await?;
        transports.add_transport(socket.into());
    }
    let endpoint = EndpointBuilder::new()
        .with_user_agent("rsipstack-peer")
        .with_transport_layer(transports)
        .with_cancel_token(ended)
        .build();
    let over = if tcp { ";transport=tcp" } else { "" };
    let user = match &role {
        Role::Carrier => "carrier",
        Role::Phone { user, .. } => user,
        Role::Caller { .. } => "caller",
    };
    let dialogs = Arc::new(DialogLayer::new(Arc::clone(&endpoint.inner)));
    let (told, states) = dialogs.new_dialog_state_channel();
    let peer = Peer {
        contact: uri(&format!("sip:{user}@{at}{over}"))?,
        at,
        over,
        talk: Duration::from_millis(talk_ms),
        dialogs,
        told,
        calls: BTreeMap::new(),
    };
    tokio::spawn(take_requests(
        Arc::clone(&peer.dialogs),
        endpoint.incoming_transactions()?,
        peer.told.clone(),
        peer.contact.clone(),
    ));
    let inner = Arc::clone(&endpoint.inner);
    tokio::spawn(async move {
        let outcome = peer.play(role, inner, states).await;
        if let Err(fault) = &outcome {
            println!("fault {fault}");
        }
        std::process::exit(i32::from(outcome.is_err()));
    });
    endpoint.serve().await;
    Ok(())
}

/// Gives each request to its dialog, or to a new one.
async fn take_requests(
    dialogs: Arc<DialogLayer>,
    mut incoming: TransactionReceiver,
    told: DialogStateSender,
    contact: Uri,
) {
    while let Some(mut transaction) = incoming.recv().await {
        if let Some(mut dialog) = dialogs.match_dialog(&transaction) {
            tokio::spawn(async move { dialog.handle(&mut transaction).await });
            continue;
        }
        match transaction.original.method {
            Method::Invite => {
                let made = dialogs.get_or_create_server_invite(
                    &transaction,
                    told.clone(),
                    None,
                    Some(contact.clone()),
                );
                match made {
                    Ok(mut dialog) => {
                        tokio::spawn(async move { dialog.handle(&mut transaction).await });
                    }
                    Err(fault) => println!("fault {fault}"),
                }
            }
            Method::Ack => {}
            Method::Options => tell(transaction.reply(StatusCode::OK).await),
            _ => tell(transaction.reply(StatusCode::CallTransactionDoesNotExist).await),
        }
    }
}

/// One party of the test.
struct Peer {
    contact: Uri,
    at: SocketAddr,
    over: &'static str,
    talk: Duration,
    dialogs: Arc<DialogLayer>,
    told: DialogStateSender,
    /// By Call-ID.
    calls: BTreeMap<String, Media>,
}

impl Peer {
    async fn play(
        mut self,
        role: Role,
        endpoint: EndpointInnerRef,
        states: DialogStateReceiver,
    ) -> Result<()> {
        match role {
            Role::Carrier => println!("ready"),
            Role::Phone { registrar, user, password } => {
                let credential = Credential { username: user, password, ..Credential::default() };
                let registrar = uri(&format!("sip:{registrar}{}", self.over))?;
                let answer =
                    Registration::new(endpoint, Some(credential)).register(registrar, Some(120)).await?;
                println!("registered {}", answer.status_code);
            }
            Role::Caller { callee, caller } => return self.call(&callee, &caller, states).await,
        }
        self.follow(states, false).await
    }

    async fn call(mut self, callee: &str, caller: &str, states: DialogStateReceiver) -> Result<()> {
        let mut media = self.open_media().await?;
        let invite = InviteOption {
            callee: uri(&format!("{callee}{}", self.over))?,
            caller: uri(caller)?,
            contact: self.contact.clone(),
            content_type: Some(SDP.into()),
            offer: Some(media.describe()),
            support_prack: true,
            ..InviteOption::default()
        };
        let (dialog, answer) = self.dialogs.do_invite(invite, self.told.clone()).await?;
        let Some(answer) = answer.filter(|answer| answer.status_code == StatusCode::OK) else {
            println!("refused");
            return Ok(());
        };
        media.speak(&answer.body);
        self.calls.insert(dialog.id().call_id, media);
        self.follow(states, true).await
    }

    /// Answers what rings, and ends what has lasted, until there is nobody to tell; `once`: until the first call ends.
    async fn follow(&mut self, mut states: DialogStateReceiver, once: bool) -> Result<()> {
        while let Some(state) = states.recv().await {
            match state {
                DialogState::Calling(id) => {
                    if let Some(dialog) = self.dialog(&id)
                        && dialog.role() == TransactionRole::Server
                    {
                        self.answer(&dialog).await?;
                    }
                }
                DialogState::Confirmed(id, _) => {
                    println!("confirmed");
                    if let Some(dialog) = self.dialog(&id)
                        && !self.talk.is_zero()
                    {
                        let talk = self.talk;
                        tokio::spawn(async move {
                            tokio::time::sleep(talk).await;
                            tell(dialog.bye().await);
                        });
                    }
                }
                DialogState::Terminated(id, reason) => {
                    let heard = self.calls.remove(&id.call_id).map_or(0, Media::close);
                    println!("ended {reason:?} heard {heard}");
                    self.dialogs.remove_dialog(&id);
                    if once {
                        return Ok(());
                    }
                }
                DialogState::Options(_, _, handle) | DialogState::Info(_, _, handle) => {
                    tell(handle.reply(StatusCode::OK).await);
                }
                DialogState::Updated(id, request, handle) => {
                    println!("updated {}", request.method);
                    let described = self.calls.get(&id.call_id).map(Media::describe);
                    let body = described.filter(|_| !request.body.is_empty());
                    let headers = body.is_some().then(|| vec![Header::ContentType(SDP.into())]);
                    tell(handle.respond(StatusCode::OK, headers, body).await);
                }
                DialogState::Trying(_)
                | DialogState::Early(..)
                | DialogState::WaitAck(..)
                | DialogState::Publish(..)
                | DialogState::Notify(..)
                | DialogState::Refer(..)
                | DialogState::Message(..) => {}
            }
        }
        Ok(())
    }

    async fn answer(&mut self, dialog: &InviteDialog) -> Result<()> {
        println!("invited");
        dialog.ringing(None, None)?;
        tokio::time::sleep(RINGS).await;
        let mut media = self.open_media().await?;
        media.speak(&dialog.initial_request().body);
        dialog.accept(Some(vec![Header::ContentType(SDP.into())]), Some(media.describe()))?;
        self.calls.insert(dialog.id().call_id, media);
        Ok(())
    }

    async fn open_media(&self) -> Result<Media> {
        Ok(Media::open(self.at).await?)
    }

    fn dialog(&self, id: &DialogId) -> Option<InviteDialog> {
        match self.dialogs.get_dialog(id)? {
            Dialog::Invite(dialog) => Some(dialog),
            _ => None,
        }
    }
}

fn uri(text: &str) -> Result<Uri> {
    Ok(Uri::try_from(text)?)
}

/// What fails is told, so that the test that waits for it shows why.
fn tell<E: std::fmt::Display>(outcome: std::result::Result<(), E>) {
    if let Err(fault) = outcome {
        println!("fault {fault}");
    }
}
