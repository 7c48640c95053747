/** A menu whose entries may ask before they act: it goes when nothing of it is open any more. */
import { type ReactNode, useEffect, useState } from "react";
import ActionMenu, { type MenuAction } from "./ActionMenu";

export function RowMenu({ anchor, actions, questions, asking, onDone }: { anchor: HTMLElement; actions: MenuAction[]; questions: ReactNode; asking: boolean; onDone: () => void }) {
  const [menu, setMenu] = useState(true);
  useEffect(() => {
    if (!menu && !asking) onDone();
    // Whoever renders this may hand in a new function each time: only the two states matter.
  }, [menu, asking]);
  return (
    <>
      {menu && <ActionMenu anchor={anchor} actions={actions} onClose={() => setMenu(false)} />}
      {questions}
    </>
  );
}
