//! Ticks: frames of our own, reports, peers that are lost, finished stretches of recordings.

use std::time::Duration;

use super::{Due, Engine, Output, PHASES, Port, Slot, Transmit, tick_time};
use crate::media::MediaEvent;
use crate::media::record::RecordCommand;

/// Most stretches of one recording written at one tick, when the machine has slept.
const STRETCHES_MAX: usize = 4;

impl Engine {
    pub(super) fn tick(&mut self, tick: u64, now: Duration) {
        let at = tick_time(tick);
        let phase = (tick % PHASES) as usize;
        let Self { streams, due, outputs, rng, .. } = self;
        let places = streams.iter_mut().enumerate().skip(phase).step_by(PHASES as usize);
        for (slot, stream) in places.filter_map(|(index, stream)| Some((Slot(index), stream.as_mut()?))) {
            if let Some(playing) = &stream.playing
                && playing.player.finished()
            {
                outputs.push_back(Output::Event(MediaEvent::PromptFinished { call: playing.call }));
                stream.playing = None;
            }
            if stream.own_frame_due(at) {
                due.push_back(Due::Frame { slot, at });
            }
            if stream.reporter.is_due(now) {
                stream.reporter.schedule(rng, now);
                due.push_back(Due::Report { slot, now });
            }
            if stream.becomes_lost(now) {
                outputs.push_back(Output::Event(MediaEvent::Lost { stream: stream.id }));
            }
            if let Some(recording) = &mut stream.recording {
                let call = recording.call();
                for samples in std::iter::from_fn(|| recording.stretch(now)).take(STRETCHES_MAX) {
                    outputs.push_back(Output::Record(RecordCommand::Samples { call, samples }));
                }
            }
        }
    }

    pub(super) fn write_frame(&mut self, slot: Slot, buffer: &mut [u8], at: Duration) -> Option<Transmit> {
        let stream = self.streams.get_mut(slot.0)?.as_mut()?;
        let starting = stream.playing.as_ref().filter(|playing| playing.player.at_start());
        let starting = starting.map(|playing| playing.call);
        let (to, length) = stream.own_frame(buffer, at)?;
        if let Some(call) = starting {
            self.outputs.push_back(Output::Event(MediaEvent::PromptStarted { call }));
        }
        self.counters.generated += 1;
        Some(Transmit { slot, port: Port::Rtp, to, length })
    }

    pub(super) fn write_report(&mut self, slot: Slot, buffer: &mut [u8], now: Duration) -> Option<Transmit> {
        let stream = self.streams.get_mut(slot.0)?.as_mut()?;
        let to = stream.rtcp_destination()?;
        let length = stream.reporter.write(&stream.outgoing, &mut stream.reception, buffer, now);
        if length == 0 {
            return None;
        }
        self.counters.reports += 1;
        Some(Transmit { slot, port: Port::Rtcp, to, length })
    }
}
