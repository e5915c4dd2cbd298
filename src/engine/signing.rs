//! The way to the services that sign who calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use carillon_sip::io::signer::{self, SignerError, SignerHandle};
use carillon_sip::options::TrunkOptions;
use carillon_sip::passport::{SignFault, SignRequest, SignedBy, SigningService};

use super::handle::Message;
use crate::doorbell::Doorbell;
use crate::node::NodeInput;

/// Starts the thread that asks them, where a trunk has one.
pub(super) fn spawn(
    trunks: &[TrunkOptions],
    sender: &SyncSender<Message>,
    bell: &Arc<Doorbell>,
) -> Result<Option<SignerHandle>, SignerError> {
    let service = |trunk: &TrunkOptions| match &trunk.signing.as_ref()?.by {
        SignedBy::Service(service) => Some(service.clone()),
        SignedBy::Key(_) => None,
    };
    let services: BTreeMap<usize, SigningService> =
        trunks.iter().enumerate().filter_map(|(index, trunk)| Some((index, service(trunk)?))).collect();
    if services.is_empty() {
        return Ok(None);
    }
    let (sender, bell) = (sender.clone(), bell.clone());
    let tell = move |request, answer| {
        // An engine that is gone asks nothing.
        let _ = sender.send(Message::Signed { request, answer });
        bell.ring();
    };
    signer::spawn(services, Arc::new(tell)).map(Some)
}

/// Puts a request; what the node is to be told where it can't be put.
pub(super) fn ask(signer: Option<&SignerHandle>, request: SignRequest) -> Option<NodeInput> {
    let put = signer.is_some_and(|signer| signer.ask(request.clone()));
    (!put).then(|| NodeInput::Signed { request, answer: Err(SignFault::Busy) })
}
