// A JsSIP phone that registers, answers every call, and tells on the console what happens. With `api` in its address it signs
// in there, registers with a token instead of a password, and tries what else the token opens.
import JsSIP from 'jssip';

const query = new URLSearchParams(location.search);
const say = (text) => console.log(`phone: ${text}`);
const lines = (message) => String(message).split('\r\n').slice(0, 12).join(' | ');
const user = query.get('user');

function phone(of, credentials) {
  const socket = new JsSIP.WebSocketInterface(query.get('socket'));
  const agent = new JsSIP.UA({
    sockets: [socket],
    uri: `sip:${of}@carillon.example`,
    session_timers: false,
    ...credentials,
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
  return agent;
}

async function ask(method, path, body, session) {
  const headers = { 'Content-Type': 'application/json' };
  if (session) headers.Authorization = `Bearer ${session}`;
  const answer = await fetch(query.get('api') + path, { method, headers, credentials: 'omit', body: body && JSON.stringify(body) });
  say(`api: ${method} ${path} ${answer.status}`);
  return answer.status === 204 ? undefined : answer.json();
}

const of = ({ username, password }) => ({ authorization_user: username, password });
const said = (agent, what) => new Promise((resolve) => agent.once(what, resolve));
const after = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// Tells each thing that is tried, and what came of it.
async function tryTokens() {
  const { token: session } = await ask('POST', '/sessions', { user, password: query.get('password') });
  const token = () => ask('POST', `/agents/${user}/phone-token`, undefined, session);
  const attempt = async (name, agent, start) => {
    const outcome = Promise.race([
      said(agent, 'registered').then(() => 'yes'),
      said(agent, 'registrationFailed').then(({ response }) => `no, ${response?.status_code}`),
    ]);
    start();
    say(`${name}: ${await outcome}`);
  };
  const first = await token();
  say(`websockets: ${first.websockets}`);
  const agent = phone(user, of(first));
  await attempt('with its token', agent, () => agent.start());
  const thief = phone(query.get('other'), of(first));
  await attempt('as another user', thief, () => thief.start());
  thief.stop();
  await after(first.expires_in_s + 1);
  await attempt('after its time', agent, () => agent.register());
  const next = of(await token());
  Object.entries(next).forEach(([name, value]) => agent.set(name, value));
  await attempt('with the next token', agent, () => agent.register());
  await ask('DELETE', '/sessions', undefined, session);
  await attempt('after signing out', agent, () => agent.register());
  say('done');
}

if (query.get('api')) {
  tryTokens().catch((error) => say(`error: ${error}`));
} else {
  phone(user, { password: query.get('password') }).start();
}
