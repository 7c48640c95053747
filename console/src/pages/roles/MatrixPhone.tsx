/** The matrix where it is narrow: one role at a time, each permission with its choice. */
import { useState } from "react";
import type { Role } from "../../api/types";
import { roleName, t } from "../../i18n";
import { Choice } from "../../parts/Field";
import type { Edits } from "./edits";
import { sourceWords } from "./Gives";
import { Mark } from "./Mark";
import type { View } from "./Matrix";
import { choicesFor, type Says, saying } from "./model";
import css from "./roles.module.css";
import { categoryName, lockWords, saysWords } from "./words";

export function MatrixPhone({ first, view, all, edits, say }: { first?: string; view: View; all: Role[]; edits: Edits; say: (role: string, permission: string, says: Says | null) => void }) {
  const [id, setId] = useState(first ?? all.find((role) => !role.predefined)?.id ?? all[0]?.id ?? "");
  const role = all.find((one) => one.id === id) ?? all[0];
  if (!role) return null;
  const lock = view.locks.get(role.id) ?? null;
  return (
    <div className={css.phone}>
      <Choice label={t("field.role")} value={role.id} onValue={setId} options={all.map((one) => ({ value: one.id, label: roleName(one) }))} note={lockWords(lock)} />
      {[...Map.groupBy(view.permissions, (permission) => permission.category)].map(([category, members]) => (
        <section key={category}>
          <h2>{categoryName(category)}</h2>
          <ul>
            {members.map((permission) => {
              const cell = view.after.cell(role.id, permission.name);
              const was = saying(role.statements, permission.name);
              const choices = choicesFor(permission, { says: was }, view.held.has(permission.name)).filter((choice) => choice.open);
              return (
                <li key={permission.name} className={edits.get(role.id)?.has(permission.name) ? css.changed : undefined}>
                  <Mark state={cell.state} on={cell.gives} />
                  <span>
                    <code>{permission.name}</code>
                    <small>{sourceWords(cell, all)}</small>
                  </span>
                  {!lock && <Choice label={t("phone.says", { permission: permission.name })} hideLabel value={cell.says ?? ""} onValue={(says) => say(role.id, permission.name, (says || null) as Says | null)} options={choices.map(({ says }) => ({ value: says ?? "", label: saysWords(says) }))} />}
                </li>
              );
            })}
          </ul>
        </section>
      ))}
    </div>
  );
}
