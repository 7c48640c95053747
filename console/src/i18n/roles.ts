/** The texts of roles, teams and of what somebody may do and why, which come with those pages. */
import { addTexts } from ".";
import texts from "./roles.en.texts.json";

addTexts(texts);
