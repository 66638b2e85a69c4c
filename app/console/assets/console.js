// A part of a page that could not be brought up to date says so; the next answer removes the mark.
document.addEventListener("htmx:sendError", (event) => {
  event.target.dataset.old = "The server does not answer. This is what it said last.";
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) delete event.target.dataset.old;
});

// Live parts follow the events of the server. While that stream is closed, and on pages without
// one, they look every two seconds.
let looking = null;
const look = () => document.querySelectorAll("[data-live]").forEach((part) => htmx.trigger(part, "look"));
const follows = document.querySelector("[sse-connect]") !== null;
if (!follows && document.querySelector("[data-live]") !== null) looking = setInterval(look, 2000);
document.addEventListener("htmx:sseError", () => {
  looking ??= setInterval(look, 2000);
});
document.addEventListener("htmx:sseOpen", () => {
  clearInterval(looking);
  looking = null;
});

// A tab that is not shown needs no stream, and a browser opens only a few to one server.
let source = null;
htmx.createEventSource = (address) => (source = new EventSource(address));
document.addEventListener("visibilitychange", () => {
  if (source === null) return;
  if (document.hidden) source.close();
  else source.onerror(); // The extension opens another one.
});
