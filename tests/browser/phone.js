// A JsSIP phone that registers, answers every call, and tells on the console what happens.
import JsSIP from 'jssip';

const query = new URLSearchParams(location.search);
const say = (text) => console.log(`phone: ${text}`);
const lines = (message) => String(message).split('\r\n').slice(0, 12).join(' | ');

const socket = new JsSIP.WebSocketInterface(query.get('socket'));
const agent = new JsSIP.UA({
  sockets: [socket],
  uri: `sip:${query.get('user')}@carillon.example`,
  password: query.get('password'),
  session_timers: false,
});

agent.on('connected', () => say('connected'));
agent.on('disconnected', () => say('disconnected'));
agent.on('registered', ({ response }) => say(`registered: ${lines(response.data)}`));
agent.on('registrationFailed', ({ cause, response }) => say(`refused: ${cause} ${response?.status_code}`));
agent.on('newRTCSession', ({ originator, session, request }) => {
  if (originator !== 'remote') return;
  say(`called: ${lines(request.data)}`);
  session.on('failed', ({ cause }) => say(`failed: ${cause}`));
  session.on('confirmed', () => say('confirmed'));
  session.answer({ mediaConstraints: { audio: true, video: false } });
});

// What leaves, start lines only.
const send = socket.send.bind(socket);
socket.send = (message) => {
  say(`sent: ${String(message).split('\r\n')[0]}`);
  return send(message);
};

agent.start();
