/** The texts of the overview and of the hub's own state, which come with their pages. */
import { addTexts } from ".";
import texts from "./hub.en.texts.json";

addTexts(texts);
