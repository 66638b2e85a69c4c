// Follows the events of a tenant in a web page. docs/events.md says when a page may do so.
async function follow(server, key, tell) {
  let last = "";
  for (;;) {
    const headers = { Authorization: `Bearer ${key}`, Accept: "text/event-stream" };
    if (last) headers["Last-Event-ID"] = last;
    try {
      const answer = await fetch(`${server}/v1/events`, { headers });
      if (answer.status === 410 || answer.status === 422) last = ""; // read what you follow again
      if (!answer.ok) throw new Error(await answer.text());
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const events = (text + part.value).split("\n\n");
        text = events.pop();
        for (const event of events) {
          const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: ?(.*)/s)));
          if (fields.data) tell(fields.event, JSON.parse(fields.data));
          if (fields.id) last = fields.id;
        }
      }
    } catch (error) {
      console.warn(error);
    }
    await new Promise((go) => setTimeout(go, 1000));
  }
}
