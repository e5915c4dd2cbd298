"use strict";
const TEXT = {
  en: {
    other: "中文", otherLabel: "切换到中文", dark: "Dark", light: "Light", live: "Live", lost: "Connection lost, trying again", waiting: "Waiting for data",
    agents: "Agents", recent: "Latest outcomes", noAgents: "No agent has signed on yet.", noRecent: "No call has ended yet.", campaign: "Campaign",
    user: "User", password: "Password", signIn: "Sign in", signedOut: "Signed out",
    idle: "Idle", ringing: "Ringing", talking: "Talking", wrap: "Wrap-up", abandon: "Abandoned", rate: "Calls per hour", answer: "Answer to agent",
    idleNote: n => n === "1" ? "of 1 agent" : `of ${n} agents`, ringingNote: "lines", talkingNote: n => n ? `${n} waiting` : "nobody waits", wrapNote: "after a call",
    limit: p => `limit ${p}`, noLimit: "no limit", rateNote: "last 5 minutes", answerNote: "99th percentile", none: "–",
    done: (a, b) => `${a} of ${b} tasks closed`, eta: t => `about ${t} to go`, finished: "Finished", noList: "No list", speed: n => `${n}× time`,
    placed: "placed", answered: "answered", bridged: "bridged", abandoned: "abandoned", call: n => n === 1 ? "1 call" : `${n} calls`,
    way: inbound => inbound ? "In" : "Out", name: (n, inbound) => `${inbound ? "inbound call" : "call"} ${n}`,
    trunks: "Trunks", lines: (a, b) => `${a} of ${b} lines`, trunkDown: "takes no calls", spendDay: "Spent today", spendMonth: "Spent this month", talkDay: "Minutes today", talkMonth: "Minutes this month",
    capUsed: (a, b, u) => `${a} of ${b}${u ? ` ${u}` : ""}`, nearCap: p => `${p} used: near its cap`, fullCap: "used up: no new calls",
    ladder: name => `Messages of ${name}`, ladderOpen: name => `Show the messages of ${name}`, close: "Close", time: "Time", message: "Message", note: "Note", phone: "phone", trunk: "trunk", us: "Carillon", again: "repeated",
    noLadder: "The messages of this call are not kept any more.", noRight: "Only administrators and operators who are signed in see messages.", leftOut: n => `${n} messages were not kept`,
    campaignStates: { draft: "Draft", running: "Running", paused: "Paused", stopping: "Stopping", ended: "Ended", answering: "Answering callers" },
    agentStates: { offline: "Offline", unreachable: "Unreachable", engaged: "With a colleague", break: "Break", ready: "Ready", reserved: "Reserved", talking: "Talking", wrap_up: "Wrap-up" },
    outcomes: { answered: "Answered", abandoned: "Abandoned", machine: "Machine", busy: "Busy", no_answer: "No answer", rejected: "Rejected",
      invalid_number: "Invalid number", congestion: "Congestion", failed: "Failed", cancelled: "Cancelled", interrupted: "Interrupted" },
    inbound: { talked: "Talked", message: "Heard the message", no_agent: "No agent", left: "Caller left", failed: "Failed", interrupted: "Interrupted" },
    identities: { passed_a: "signed: A, verified", passed_b: "signed: B, verified", passed_c: "signed: C, verified", failed_header: "signed: unreadable", failed_stale: "signed: not of this minute",
      failed_numbers: "signed: for other numbers", failed_unknown: "signed: certificate unknown", failed_untrusted: "signed: certificate not trusted", failed_signature: "signed: wrong signature" },
    causes: { not_started: "Not started", starting: "Starting", paused: "Paused: nothing is placed", stopped: "Stopped", time_limit: "Time limit reached", nothing_left: "Nothing left to call", store_unavailable: "The database is not available" },
    bounds: { policy: "As many lines as are wanted", agents: "One line per free agent", risk: "One more answer would too likely find no agent", ramp: "The answer rate is not yet known well enough for more",
      budget: "The abandonment budget allows one line per free agent and no more", no_safe_harbour: "No safe-harbour message: one line per free agent", lines: "No line is free on the trunks",
      calls_per_second: "The trunks' calls per second are used up", supply: "No task is due", manual: "Manual: nothing is placed unless asked for" },
    ownerBounds: { policy: "one line per free owner", agents: "one line per free owner", risk: "one more answer would too likely find its owner busy", ramp: "the answer rate is not yet known well enough for more",
      budget: "the abandonment budget allows one line per free owner and no more", no_safe_harbour: "one line per free owner", lines: "no line is left on the trunks", calls_per_second: "no line is left on the trunks",
      supply: "no more contacts in hand", manual: "one line per free owner" },
    noneFree: "No agent is free", owners: why => `Owners: ${why}`, hours: h => `${h} agent hours ahead are counted on`, deciding: n => n === 1 ? "1 agent looks at a contact before it is called" : `${n} agents look at a contact before it is called`,
    figures: (free, out, wanted) => `${free} free, ${out} lines out, ${wanted} wanted`, ownerFigures: (free, lines) => `${free} free, ${lines} lines out`, forecast: (s, answers, agents) => `in ${s} s ${answers} answers for ${agents} agents`,
    awaited: (tasks, users, more) => `${tasks === 1 ? "1 task waits" : `${tasks} tasks wait`} for an owner who takes no calls now: ${users.join(", ")}${more ? ` and ${more} more` : ""}`,
  },
  zh: {
    other: "English", otherLabel: "Switch to English", dark: "深色", light: "浅色", live: "实时", lost: "连接中断，正在重连", waiting: "等待数据",
    agents: "坐席", recent: "最近呼叫结果", noAgents: "还没有坐席签入。", noRecent: "还没有结束的呼叫。", campaign: "专案",
    user: "用户名", password: "密码", signIn: "登录", signedOut: "未登录",
    idle: "空闲", ringing: "振铃", talking: "通话", wrap: "整理", abandon: "呼损率", rate: "每小时外呼", answer: "接听到坐席",
    idleNote: n => `共 ${n} 名坐席`, ringingNote: "路", talkingNote: n => n ? `${n} 人等待` : "无人等待", wrapNote: "通话之后",
    limit: p => `上限 ${p}`, noLimit: "无上限", rateNote: "最近 5 分钟", answerNote: "99% 不超过", none: "–",
    done: (a, b) => `已结案 ${a} / ${b}`, eta: t => `预计还需 ${t}`, finished: "已完成", noList: "无名单", speed: n => `${n} 倍速`,
    placed: "外呼", answered: "接通", bridged: "转坐席", abandoned: "呼损", call: n => `${n} 通`,
    way: inbound => inbound ? "呼入" : "外呼", name: (n, inbound) => `${inbound ? "呼入" : "外呼"} ${n}`,
    trunks: "中继", lines: (a, b) => `线路 ${a} / ${b}`, trunkDown: "不可用", spendDay: "今日花费", spendMonth: "本月花费", talkDay: "今日分钟数", talkMonth: "本月分钟数",
    capUsed: (a, b, u) => `${a} / ${b}${u ? ` ${u}` : ""}`, nearCap: p => `已用 ${p}，接近上限`, fullCap: "已用完，不再外呼",
    ladder: name => `${name} 的信令流程`, ladderOpen: name => `查看${name} 的信令流程`, close: "关闭", time: "时间", message: "消息", note: "备注", phone: "话机", trunk: "中继", us: "Carillon", again: "重发",
    noLadder: "该呼叫的信令已不再保存。", noRight: "仅登录的管理员和操作员可查看信令。", leftOut: n => `另有 ${n} 条消息未保存`,
    campaignStates: { draft: "草稿", running: "运行中", paused: "已暂停", stopping: "停止中", ended: "已结束", answering: "接听来电中" },
    agentStates: { offline: "离线", unreachable: "话机不可达", engaged: "协助同事", break: "小休", ready: "就绪", reserved: "预占", talking: "通话", wrap_up: "整理" },
    outcomes: { answered: "接通", abandoned: "呼损", machine: "答录机", busy: "忙", no_answer: "无人接听", rejected: "拒接",
      invalid_number: "空号", congestion: "网络拥塞", failed: "失败", cancelled: "已取消", interrupted: "中断" },
    inbound: { talked: "接通", message: "播放语音提示", no_agent: "无坐席", left: "主叫挂断", failed: "失败", interrupted: "中断" },
    identities: { passed_a: "签名：A 级，已验证", passed_b: "签名：B 级，已验证", passed_c: "签名：C 级，已验证", failed_header: "签名：无法解读", failed_stale: "签名：已过时",
      failed_numbers: "签名：号码不符", failed_unknown: "签名：证书未知", failed_untrusted: "签名：证书不受信任", failed_signature: "签名：验签失败" },
    causes: { not_started: "尚未启动", starting: "正在启动", paused: "已暂停，不再外呼", stopped: "已停止", time_limit: "已到时限", nothing_left: "名单已呼完", store_unavailable: "数据库不可用" },
    bounds: { policy: "线路数已满足需要", agents: "每名空闲坐席一路", risk: "再多一路，接通后很可能没有坐席", ramp: "接通率尚不够明确，暂不多呼",
      budget: "呼损额度只允许每名空闲坐席一路", no_safe_harbour: "没有呼损提示音，每名空闲坐席一路", lines: "中继没有空闲线路",
      calls_per_second: "中继每秒呼叫数已用完", supply: "没有到期任务", manual: "手动模式，仅按要求外呼" },
    ownerBounds: { policy: "每名空闲专属坐席一路", agents: "每名空闲专属坐席一路", risk: "再多一路，接通时专属坐席很可能正忙", ramp: "接通率尚不够明确，暂不多呼",
      budget: "呼损额度只允许每名空闲专属坐席一路", no_safe_harbour: "每名空闲专属坐席一路", lines: "中继没有剩余线路", calls_per_second: "中继没有剩余线路",
      supply: "手头没有更多联系人", manual: "每名空闲专属坐席一路" },
    noneFree: "没有空闲坐席", owners: why => `专属坐席：${why}`, hours: h => `预计后续还有 ${h} 坐席小时`, deciding: n => `${n} 名坐席正在预览联系人`,
    figures: (free, out, wanted) => `空闲 ${free} 人，在呼 ${out} 路，需要 ${wanted} 路`, ownerFigures: (free, lines) => `空闲 ${free} 人，在呼 ${lines} 路`, forecast: (s, answers, agents) => `${s} 秒内预计接通 ${answers} 通、空闲坐席 ${agents} 名`,
    awaited: (tasks, users, more) => `${tasks} 个任务在等专属坐席（现不接呼叫）：${users.join("、")}${more ? ` 等另外 ${more} 人` : ""}`,
  },
};
const STATE_TONES = { ready: "--ready", reserved: "--reserved", talking: "--talking", wrap_up: "--wrap", break: "--away", offline: "--away", engaged: "--talking", unreachable: "--bad" };
const OUTCOME_TONES = { answered: "--ready", abandoned: "--bad", machine: "--ring", failed: "--bad", interrupted: "--bad", invalid_number: "--wrap", rejected: "--wrap" };
const INBOUND_TONES = { talked: "--ready", message: "--wrap", no_agent: "--bad", failed: "--bad", interrupted: "--bad" };
const CAMPAIGN_TONES = { running: "--ready", paused: "--wrap", stopping: "--wrap", ended: "--away", answering: "--ready", draft: "--away" };
const HISTORY_MAX = 240;

const $ = id => document.getElementById(id);
const store = { get(key) { try { return localStorage.getItem(key); } catch { return null; } }, set(key, value) { try { localStorage.setItem(key, value); } catch { /* private window */ } } };
let language = store.get("language") || (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
let theme = store.get("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
let view = null, receivedAt = 0, chosen = null, connected = false, signedOut = false;
const history = new Map();

const words = () => TEXT[language];
const locale = () => language === "zh" ? "zh-CN" : "en-US";
const number = (value, digits = 0) => value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value, digits = 1) => value.toLocaleString(locale(), { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
const tone = name => `var(${name || "--away"})`;

function put(node, text) { if (node.textContent !== text) node.textContent = text; }
function make(tag, className, parent) { const node = document.createElement(tag); node.className = className; parent.append(node); return node; }

function clock(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = value => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
function campaignNow() { return view.at + (connected ? (performance.now() - receivedAt) * (view.speed || 1) : 0); }

/* Tiles: name, what they show, their colour. */
const TILES = [
  { key: "idle", tone: "--ready", value: (c, a) => number(a.filter(x => x.state === "ready").length), note: (t, c, a) => t.idleNote(number(a.length)), trend: (c, a) => a.filter(x => x.state === "ready").length },
  { key: "ringing", tone: "--ring", value: c => number(c.ringing), note: t => t.ringingNote, trend: c => c.ringing },
  { key: "talking", tone: "--talking", value: c => number(c.talking), note: (t, c) => t.talkingNote(c.waiting), trend: c => c.talking },
  { key: "wrap", tone: "--wrap", value: (c, a) => number(a.filter(x => x.state === "wrap_up").length), note: t => t.wrapNote, trend: (c, a) => a.filter(x => x.state === "wrap_up").length },
  { key: "abandon", tone: "--ready", meter: true, value: c => c.answered ? percent(c.abandon_rate, 2) : words().none, note: (t, c) => c.abandon_limit < 1 ? t.limit(percent(c.abandon_limit)) : t.noLimit },
  { key: "rate", tone: "--brand", value: c => number(c.calls_per_hour), note: t => t.rateNote, trend: c => c.calls_per_hour },
  { key: "answer", tone: "--reserved", unit: "ms", value: c => c.answer_to_agent_p99_ms === null ? words().none : number(c.answer_to_agent_p99_ms), note: t => t.answerNote },
];
for (const tile of TILES) {
  const card = make("div", "card tile", $("tiles"));
  card.style.setProperty("--tone", tone(tile.tone));
  const name = make("div", "name", card);
  make("span", "dot", name);
  tile.name = make("span", "", name);
  tile.figure = make("div", "value", card);
  tile.number = document.createTextNode("–");
  tile.figure.append(tile.number);
  if (tile.unit) { tile.unitNode = make("small", "", tile.figure); tile.unitNode.textContent = tile.unit; }
  tile.remark = make("div", "note", card);
  if (tile.meter) { const meter = make("div", "meter", card); tile.fill = make("i", "", meter); tile.mark = make("b", "", meter); }
  if (tile.trend) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 30"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("aria-hidden", "true");
    tile.path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.append(tile.path); card.append(svg);
  }
  tile.card = card;
}

function remember(campaign) {
  for (const tile of TILES) {
    if (!tile.trend) continue;
    const key = `${campaign.id} ${tile.key}`;
    const points = history.get(key) || [];
    points.push(tile.trend(campaign, view.agents));
    if (points.length > HISTORY_MAX) points.shift();
    history.set(key, points);
  }
}
function trend(campaign, tile) {
  const points = history.get(`${campaign.id} ${tile.key}`) || [];
  if (points.length < 2) return "";
  const top = Math.max(1, ...points);
  return points.map((value, place) => `${place ? "L" : "M"}${(100 * place / (points.length - 1)).toFixed(2)} ${(28 - 26 * value / top).toFixed(2)}`).join("");
}

/* Keeps one node per key, in order. */
function keyed(parent, items, key, create, update) {
  const known = new Map([...parent.children].map(node => [node.dataset.key, node]));
  items.forEach((item, place) => {
    const name = String(key(item));
    let node = known.get(name);
    if (node) known.delete(name); else { node = create(); node.dataset.key = name; }
    update(node, item);
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] || null);
  });
  for (const node of known.values()) node.remove();
}

function createAgent() {
  const node = document.createElement("div"); node.className = "agent";
  make("div", "who", node);
  const what = make("div", "what", node); make("span", "", what); make("span", "", what);
  make("div", "calls", node);
  return node;
}
function updateAgent(node, agent) {
  const t = words();
  const [who, what, calls] = node.children;
  node.style.setProperty("--tone", tone(STATE_TONES[agent.state]));
  put(who, agent.user);
  put(what.children[0], (t.agentStates[agent.state] || agent.state) + (agent.reason ? ` · ${agent.reason}` : ""));
  put(what.children[1], clock(campaignNow() - agent.since));
  put(calls, [t.call(agent.calls), agent.inbound && identity(agent.inbound.identity)].filter(Boolean).join(" · "));
}
/* Of a cap's length nine tenths are a warning. */
const CAP_NEAR = 0.9;
function capWord(cap) { return words()[cap.of + (cap.month ? "Month" : "Day")]; }
function capAmount(cap, value) { return cap.of === "spend" ? number(value / 1e6, 2) : number(value / 6e4, 0); }
function createTrunk() {
  const node = document.createElement("div"); node.className = "trunk";
  const row = make("div", "row", node); make("b", "", row); make("span", "grow", row); make("span", "state", row);
  make("div", "caps", node);
  return node;
}
function updateTrunk(node, trunk) {
  const t = words();
  const [row, caps] = node.children;
  node.style.setProperty("--tone", tone(trunk.up ? "--ready" : "--bad"));
  put(row.firstChild, trunk.name);
  put(row.lastChild, trunk.up ? t.lines(number(trunk.lines), number(trunk.lines_max)) : t.trunkDown);
  keyed(caps, trunk.caps, cap => cap.of + cap.month, createCap, updateCap);
}
function createCap() {
  const node = document.createElement("div"); node.className = "cap";
  const row = make("div", "row", node); make("span", "", row); make("span", "grow", row); make("span", "", row);
  make("i", "", make("div", "meter", node));
  make("div", "warning", node).setAttribute("role", "status");
  return node;
}
function updateCap(node, cap) {
  const t = words();
  const [row, meter, warning] = node.children;
  const share = cap.most ? cap.used / cap.most : 1;
  put(row.firstChild, capWord(cap));
  put(row.lastChild, t.capUsed(capAmount(cap, cap.used), capAmount(cap, cap.most), cap.currency));
  meter.firstChild.style.width = `${Math.min(100, 100 * share)}%`;
  node.classList.toggle("near", share >= CAP_NEAR && share < 1);
  node.classList.toggle("full", share >= 1);
  put(warning, share >= 1 ? t.fullCap : share >= CAP_NEAR ? t.nearCap(percent(Math.floor(share * 100) / 100, 0)) : "");
}

/* The messages of a call, asked for when somebody wants to see them. */
let opened = 0;
async function openLadder(call, name) {
  const t = words();
  const turn = ++opened;
  put($("ladderTitle"), t.ladder(name));
  put($("ladderWord"), t.waiting);
  $("ladderTable").hidden = true;
  $("ladderParties").replaceChildren();
  $("ladderRows").replaceChildren();
  $("ladder").showModal();
  const answer = await fetch(`/api/v1/calls/${encodeURIComponent(call)}/ladder`).catch(() => null);
  const ladder = answer && answer.ok ? await answer.json().catch(() => null) : null;
  /* Another call was opened meanwhile. */
  if (turn !== opened) return;
  if (!ladder) return put($("ladderWord"), !answer || answer.ok ? t.lost : answer.status === 404 ? t.noLadder : t.noRight);
  ladder.parties.forEach(party => {
    make("div", "party", $("ladderParties")).textContent = `${t[party.role] || party.role} ${party.name} · ${party.transport} ${party.address}`;
  });
  ladder.messages.forEach(message => {
    const row = make("tr", message.again ? "again" : "", $("ladderRows"));
    const party = ladder.parties[message.party];
    const text = message.status === null ? message.method : `${message.status} (${message.method})`;
    const [from, to] = message.way === "sent" ? [t.us, party.name] : [party.name, t.us];
    make("td", "at", row).textContent = `${number(message.at_ms / 1000, 3)} s`;
    make("td", `way ${message.way}`, row).textContent = `${from} → ${to}: ${text}`;
    make("td", "note", row).textContent = [message.note, message.again ? t.again : ""].filter(Boolean).join("; ");
  });
  $("ladderTable").hidden = false;
  put($("ladderWord"), ladder.left_out ? t.leftOut(number(ladder.left_out)) : "");
}

/* Why so many calls and no more are placed now. */
function figures(of, decided) {
  const t = words();
  const { agents_free: free, lines_out: out, lines_wanted: wanted, forecast } = decided;
  const expected = forecast && t.forecast(number(forecast.horizon_s), number(forecast.answers, 1), number(forecast.agents, 1));
  return [of(number(free), number(out), number(wanted)), expected];
}
function standing(pacing) {
  const t = words();
  const { cause, decision, owners, awaited, agents_deciding: deciding, agent_hours_left: hours } = pacing;
  const why = !decision ? t.causes[cause] : decision.bound === "agents" && !decision.agents_free ? t.noneFree : t.bounds[decision.bound];
  const parts = [deciding && t.deciding(deciding), why || cause];
  if (decision) parts.push(...figures(t.figures, decision));
  if (hours !== null) parts.push(t.hours(number(hours, 1)));
  if (owners) parts.push(t.owners(t.ownerBounds[owners.bound]), ...figures((free, _, wanted) => t.ownerFigures(free, wanted), owners));
  if (awaited) parts.push(t.awaited(awaited.tasks, awaited.owners, awaited.more));
  return parts.filter(Boolean).join(" · ");
}

/* What whoever signed a call from outside is worth; nothing where nobody did. */
function identity(word) { return !word || word === "none" ? "" : words().identities[word] || word; }

function createEnding() {
  const node = document.createElement("li");
  const button = make("button", "ending", node); button.type = "button";
  button.onclick = () => openLadder(node.dataset.key, button.dataset.name);
  make("time", "", button); make("span", "way", button); make("span", "outcome", button); make("span", "with", button); make("span", "identity", button);
  return node;
}
function updateEnding(node, ending) {
  const t = words();
  const inbound = "inbound" in ending;
  const button = node.firstChild;
  const [time, way, outcome, rest, signed] = button.children;
  button.dataset.name = t.name(ending.attempt, inbound);
  button.title = t.ladderOpen(button.dataset.name);
  button.style.setProperty("--tone", tone(inbound ? INBOUND_TONES[ending.inbound] : OUTCOME_TONES[ending.outcome]));
  put(time, new Date(ending.at).toLocaleTimeString(locale(), { hour12: false }));
  put(way, t.way(inbound));
  put(outcome, inbound ? t.inbound[ending.inbound] || ending.inbound : t.outcomes[ending.outcome] || ending.outcome);
  put(rest, ending.agent ? `${ending.agent} · ${clock(ending.talk_ms)}` : button.dataset.name);
  put(signed, identity(ending.identity));
  signed.classList.toggle("failed", (ending.identity || "").startsWith("failed"));
}

function current() {
  if (!view || !view.campaigns.length) return null;
  return view.campaigns.find(c => c.id === chosen) || view.campaigns.find(c => c.state === "running") || view.campaigns[0];
}

function render() {
  const t = words();
  document.documentElement.lang = locale();
  document.documentElement.dataset.theme = theme;
  put($("language"), t.other); $("language").setAttribute("aria-label", t.otherLabel);
  put($("theme"), theme === "dark" ? t.light : t.dark);
  document.querySelectorAll("[data-text]").forEach(node => put(node, t[node.dataset.text]));
  TILES.forEach(tile => put(tile.name, t[tile.key]));
  const link = $("link");
  link.classList.toggle("lost", !connected);
  link.children[0].style.setProperty("--tone", tone(connected ? "--ready" : "--bad"));
  put(link.children[1], signedOut ? t.signedOut : connected ? t.live : view ? t.lost : t.waiting);
  $("sign-in").hidden = !signedOut;
  $("board").hidden = signedOut;
  $("pick").setAttribute("aria-label", t.campaign);
  const campaign = current();
  if (!campaign) return;

  const pick = $("pick");
  pick.hidden = view.campaigns.length < 2;
  if (pick.options.length !== view.campaigns.length) pick.replaceChildren(...view.campaigns.map(c => new Option(c.name, c.id)));
  pick.value = campaign.id;
  put($("title"), campaign.name);
  document.title = `${campaign.name} · Carillon`;
  const state = $("state");
  state.hidden = false;
  // Nothing is left to call, but its numbers are answered.
  const shownState = campaign.state === "ended" && campaign.answers_callers ? "answering" : campaign.state;
  state.children[0].style.setProperty("--tone", tone(CAMPAIGN_TONES[shownState]));
  put(state.children[1], t.campaignStates[shownState] || shownState);
  $("speed").hidden = !(view.speed > 1);
  put($("speed"), t.speed(view.speed));

  const closed = campaign.tasks_total - campaign.tasks_open;
  const share = campaign.tasks_total ? closed / campaign.tasks_total : 0;
  put($("done"), campaign.tasks_total ? t.done(number(closed), number(campaign.tasks_total)) : t.noList);
  put($("eta"), !campaign.tasks_total ? "" : campaign.state === "ended" ? t.finished : campaign.eta_ms === null ? "" : t.eta(clock(campaign.eta_ms / (view.speed || 1))));
  $("bar").firstElementChild.style.width = `${100 * share}%`;
  $("bar").setAttribute("aria-valuenow", Math.round(100 * share));
  $("bar").setAttribute("aria-label", t.done(number(closed), number(campaign.tasks_total)));
  put($("reason"), standing(campaign.pacing));

  for (const tile of TILES) {
    const value = tile.value(campaign, view.agents);
    if (tile.number.data !== value) tile.number.data = value;
    if (tile.unitNode) tile.unitNode.hidden = value === t.none;
    put(tile.remark, tile.note(t, campaign, view.agents));
    if (tile.path) tile.path.setAttribute("d", trend(campaign, tile));
    if (tile.meter) {
      const limited = campaign.abandon_limit > 0 && campaign.abandon_limit < 1;
      const full = limited ? campaign.abandon_limit * 1.5 : 1;
      tile.fill.style.width = `${Math.min(100, 100 * campaign.abandon_rate / full)}%`;
      tile.mark.hidden = !limited;
      tile.mark.style.left = `${100 / 1.5}%`;
      tile.card.classList.toggle("over", limited && campaign.abandon_rate > campaign.abandon_limit);
    }
  }
  const agents = [...view.agents].sort((a, b) => a.user.localeCompare(b.user, locale(), { numeric: true }));
  keyed($("agents"), agents, agent => agent.user, createAgent, updateAgent);
  keyed($("recent"), view.recent, ending => ending.attempt, createEnding, updateEnding);
  const trunks = view.trunks || [];
  $("trunkCard").hidden = !trunks.length;
  keyed($("trunks"), trunks, trunk => trunk.name, createTrunk, updateTrunk);
  $("noAgents").hidden = view.agents.length > 0;
  $("noRecent").hidden = view.recent.length > 0;
  keyed($("totals"), ["placed", "answered", "bridged", "abandoned"], name => name,
    () => { const node = document.createElement("span"); node.append(document.createElement("b"), " "); make("span", "", node); return node; },
    (node, name) => { put(node.firstChild, number(campaign[name])); put(node.lastChild, t[name]); });
}

$("language").onclick = () => { language = language === "zh" ? "en" : "zh"; store.set("language", language); render(); };
$("theme").onclick = () => { theme = theme === "dark" ? "light" : "dark"; store.set("theme", theme); render(); };
$("ladderClose").onclick = () => $("ladder").close();
$("pick").onchange = event => { chosen = Number(event.target.value); render(); };

/* Pushed, not polled: the server sends the newest state whenever it changes. */
function connect() {
  const source = new EventSource("/api/v1/live");
  source.addEventListener("live", event => {
    view = JSON.parse(event.data);
    receivedAt = performance.now();
    connected = true;
    signedOut = false;
    view.campaigns.forEach(remember);
    render();
  });
  source.addEventListener("error", () => {
    connected = false;
    /* Closed for good: the server refused the stream, because nobody is signed in. Otherwise the browser tries again. */
    if (source.readyState === EventSource.CLOSED) {
      signedOut = true;
      view = null;
    }
    render();
  });
}

$("sign-in").addEventListener("submit", async event => {
  event.preventDefault();
  const form = new FormData(event.target);
  const answer = await fetch("/api/v1/sessions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user: form.get("user"), password: form.get("password") }),
  });
  put($("refusal"), answer.ok ? "" : (await answer.json()).detail);
  if (answer.ok) connect();
});

setInterval(() => { if (connected && view) render(); }, 1000);
render();
connect();
