/** Words that are cut off for want of room are told in full where the pointer rests on them. */
export function tellCut({ target }: { target: EventTarget }): void {
  if (!(target instanceof HTMLElement) || target.childElementCount > 0) return;
  const ours = "cut" in target.dataset;
  if (target.title && !ours) return;
  if (target.scrollWidth > target.clientWidth) {
    target.title = target.textContent ?? "";
    target.dataset.cut = "";
  } else if (ours) {
    target.removeAttribute("title");
    delete target.dataset.cut;
  }
}
