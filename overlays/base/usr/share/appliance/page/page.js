// Looks every few seconds whether something else is told, and then exchanges those parts of the page that are others:
// what they look like is made in one place, by the daemon. Whoever reads, selects or walks by keyboard is not disturbed.
"use strict";

const LOOK_MS = 5000;
const ANSWER_MS = 4000; // who was turned off does not refuse: nothing comes
const MISSES = 2; // one answer may get lost
const SILENT_MS = 90000; // while somebody reads the page, it is told anew every 10 s, or somewhat later

let told = document.body.dataset.told;
let heardAt = performance.now();
let answeredAt = Date.now();
let aheadMs = Date.parse(told) - answeredAt; // the Pi's clock may be another than ours
let misses = 0;
let shown = document.querySelector("main").cloneNode(true); // as it was told, which has no times in words

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function relative(seconds) {
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[3];
  return ago.format(Math.round(seconds / size), unit);
}

function showTimes() {
  const nowMs = Date.now() + aheadMs;
  for (const time of document.querySelectorAll("time")) {
    const exact = time.dateTime.slice(0, 19).replace("T", " ") + " UTC";
    time.title = exact;
    time.textContent = relative((Date.parse(time.dateTime) - nowMs) / 1000);
  }
}

function say(text, isBad) {
  const live = document.getElementById("live");
  if (live.textContent !== text) live.textContent = text;
  document.body.classList.toggle("silent", isBad);
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout?.(ANSWER_MS) });
  if (answer.status === 404) location.reload(); // its daemon has ended: there is a page that says so
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

async function exchange() {
  const answer = await ask("/");
  const other = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = [...document.querySelectorAll("details[open]")].map((details) => details.id);
  const focused = document.activeElement.id;
  put(other.querySelector("main"));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused && document.activeElement.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
  document.getElementById("told").dateTime = other.body.dataset.told;
  document.title = other.title;
}

// What is told now, in place of what was told before.
function put(told) {
  const main = document.querySelector("main");
  const parts = [...told.children].map((part) => document.importNode(part, true));
  if (parts.length === shown.children.length) {
    parts.forEach((part, index) => {
      if (!part.isEqualNode(shown.children[index])) main.children[index].replaceWith(part);
    });
  } else main.replaceChildren(...parts);
  shown = told;
}

async function look() {
  try {
    const answer = await ask("/status.json");
    const found = await answer.json();
    if (found.told !== told || misses >= MISSES) await exchange();
    if (found.told !== told || misses) heardAt = performance.now();
    told = found.told;
    misses = 0;
    answeredAt = Date.now();
    aheadMs = Date.parse(answer.headers.get("Date")) - answeredAt;
    const isSilent = performance.now() - heardAt > SILENT_MS;
    say(isSilent ? "The Pi says nothing new: its daemon may not run." : "Updates by itself.", isSilent);
  } catch {
    misses += 1;
    if (misses === MISSES) showSilence();
  }
  showTimes();
}

// What was good may be so no more. Nothing is taken away but the verdict, until it answers again.
function showSilence() {
  const since = new Date(answeredAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const verdict = document.getElementById("verdict");
  verdict.textContent = `No answer from ${document.querySelector(".host").textContent} since ${since}`;
  while (verdict.nextElementSibling) verdict.nextElementSibling.remove();
  const section = verdict.closest(".verdict");
  shown = document.createElement("main"); // whatever is told next is something else
  section.className = "verdict unknown";
  section.querySelector(".sign").textContent = "?";
  document.title = verdict.textContent;
  say("The Pi does not answer: this is what it said last.", true);
}

showTimes();
look();
setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  heardAt = performance.now();
  look();
});
