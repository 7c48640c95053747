/** Whether this browser's access cookie is of a session in which somebody acts as somebody else. All tabs share it. */
export const ACTING = "signalbox.acting";

export const isActing = (): boolean => localStorage.getItem(ACTING) !== null;

/** Whether it was so when this tab was loaded: what it shows is as that person. */
export const began = isActing();
