/** Where the hub asks for a proof of who one is in the middle of something: one question for all that wait for it. */

type Prover = () => Promise<boolean>;

let prover: Prover | null = null;
let asking: Promise<boolean> | null = null;

/** Who asks the person. */
export function provedBy(next: Prover): () => void {
  prover = next;
  return () => {
    prover = null;
  };
}

/** True once the person has proved who they are; false where they would not. */
export function prove(): Promise<boolean> {
  asking ??= (prover?.() ?? Promise.resolve(false)).finally(() => {
    asking = null;
  });
  return asking;
}

/** Whether the hub wants that before it does what was asked. */
export async function wantsProof(response: Response): Promise<boolean> {
  if (response.status !== 403) return false;
  const told = (await response.clone().json().catch(() => null)) as { code?: string } | null;
  return told?.code === "auth.step_up_needed";
}
