"use strict";
// The newest state is pushed over one stream; each message replaces what is shown.

const byId = (id) => document.getElementById(id);

function cells(table, rows) {
  table.replaceChildren(...rows.map((row, index) => {
    const line = document.createElement("tr");
    line.append(...row.map((text) => {
      const cell = document.createElement(index === 0 ? "th" : "td");
      cell.textContent = text;
      return cell;
    }));
    return line;
  }));
}

function show(view) {
  byId("sign-in").hidden = true;
  byId("board").hidden = false;
  cells(byId("campaigns"), [
    ["campaign", "state", "open", "ringing", "talking", "answered", "abandoned", "calls/h", "pacing"],
    ...view.campaigns.map((campaign) => [
      campaign.name, campaign.state, `${campaign.tasks_open} of ${campaign.tasks_total}`, campaign.ringing,
      campaign.talking, campaign.answered,
      `${(campaign.abandon_rate * 100).toFixed(1)}% of ${(campaign.abandon_limit * 100).toFixed(1)}%`,
      Math.round(campaign.calls_per_hour), campaign.pacing_reason,
    ]),
  ]);
  byId("agents").replaceChildren(...view.agents.map((agent) => {
    const chip = document.createElement("span");
    chip.textContent = `${agent.user}: ${agent.state} (${agent.calls})`;
    return chip;
  }));
  cells(byId("recent"), [
    ["call", "outcome", "agent", "talk"],
    ...view.recent.map((ending) => [
      ending.attempt, ending.outcome, ending.agent ?? "", `${Math.round(ending.talk_ms / 1000)} s`,
    ]),
  ]);
}

function connect() {
  const stream = new EventSource("/api/v1/live");
  stream.addEventListener("live", (event) => {
    byId("link").textContent = "live";
    show(JSON.parse(event.data));
  });
  stream.addEventListener("error", () => {
    byId("link").textContent = "not connected";
    if (stream.readyState === EventSource.CLOSED) {
      // The server refused the stream: nobody is signed in, or the session has ended.
      byId("board").hidden = true;
      byId("sign-in").hidden = false;
    }
  });
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const answer = await fetch("/api/v1/sessions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user: form.get("user"), password: form.get("password") }),
  });
  byId("refusal").textContent = answer.ok ? "" : (await answer.json()).detail;
  if (answer.ok) connect();
});

connect();
