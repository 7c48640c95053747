/**
 * Gathers what arrives and hands it on once per animation frame. A hidden tab has no frames: there a timer does it, once a
 * second, so that nothing is lost and nothing is painted.
 */
export function perFrame<T>(deliver: (batch: T[]) => void): (item: T) => void {
  let waiting: T[] = [];
  let cancel: (() => void) | null = null;

  const flush = () => {
    cancel = null;
    const batch = waiting;
    waiting = [];
    deliver(batch);
  };

  const schedule = () => {
    if (document.hidden) {
      const timer = setTimeout(flush, 1000);
      cancel = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(flush);
      cancel = () => cancelAnimationFrame(frame);
    }
  };

  document.addEventListener("visibilitychange", () => {
    if (!cancel) return;
    cancel();
    schedule();
  });

  return (item) => {
    waiting.push(item);
    if (!cancel) schedule();
  };
}
