// Looks every few seconds whether something else is told, and then exchanges what the page shows: what it looks like
// is made in one place, by the daemon.
"use strict";

const LOOK_MS = 5000;
const SILENT_MS = 90000; // while somebody reads the page, it is told anew every 10 s, or somewhat later

let told = document.body.dataset.told;
let heardAt = performance.now();

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function relative(seconds) {
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[3];
  return ago.format(Math.round(seconds / size), unit);
}

// By the Pi's clock, which may be another than ours.
function showTimes(nowMs) {
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

async function exchange() {
  const answer = await fetch("/", { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  const other = new DOMParser().parseFromString(await answer.text(), "text/html");
  const isOpen = document.getElementById("parts")?.open;
  const main = document.importNode(other.querySelector("main"), true);
  if (isOpen) main.querySelector("#parts")?.setAttribute("open", "");
  document.querySelector("main").replaceWith(main);
  document.getElementById("told").dateTime = other.body.dataset.told;
  document.title = other.title;
}

async function look() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    if (found.told !== told) {
      await exchange();
      told = found.told;
      heardAt = performance.now();
    }
    showTimes(Date.parse(answer.headers.get("Date")));
    const isSilent = performance.now() - heardAt > SILENT_MS;
    say(isSilent ? "The Pi says nothing new: its daemon may not run." : "Updates by itself.", isSilent);
  } catch {
    say("The Pi does not answer: this is what it said last.", true);
  }
}

showTimes(Date.parse(told));
look();
setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  heardAt = performance.now();
  look();
});
