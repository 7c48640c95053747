/** The texts of settings, invitations, profiles and what comes by mail, which come with their pages. */
import { addTexts } from ".";
import texts from "./joining.en.texts.json";

addTexts(texts);
