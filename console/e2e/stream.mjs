/** A program that listens beside the windows: EventSource over `fetch`, with the access token as Bearer. */

/**
 * Follows `channels` until `stop` is called, through every break of the connection. Answers what was heard so far, by the
 * `id` of each event; what came twice is counted.
 */
export function listen(base, token, channels) {
  const heard = new Map();
  const told = { heard, repeated: 0, breaks: 0, open: false };
  const ended = new AbortController();
  let last = null;

  const take = (block) => {
    const field = (name) => block.split("\n").filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
    if (field("id")) last = field("id");
    if (!field("data")) return;
    const event = JSON.parse(field("data"));
    // What has no id is state, not event: progress, counters.
    if (!event.id) return;
    if (heard.has(event.id)) told.repeated += 1;
    heard.set(event.id, event);
  };
  const once = async () => {
    const query = new URLSearchParams(channels.map((channel) => ["channel", channel]));
    const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
    const answer = await fetch(`${base}/api/v1/stream?${query}`, { headers, signal: ended.signal });
    if (!answer.ok) throw new Error(`the stream answers ${answer.status}`);
    told.open = true;
    let rest = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + piece).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(take);
    }
  };
  const run = async () => {
    while (!ended.signal.aborted) {
      await once().catch(() => {});
      told.open = false;
      told.breaks += 1;
      await new Promise((resume) => setTimeout(resume, 200));
    }
  };
  void run();
  told.stop = () => ended.abort();
  return told;
}
