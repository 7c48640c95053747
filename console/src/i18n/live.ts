/** The texts of the pages about live delivery, which come with them. */
import { addTexts } from ".";
import texts from "./live.en.texts.json";

addTexts(texts);
