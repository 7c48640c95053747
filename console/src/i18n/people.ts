/** The texts of what is done to people, which come with the pages that do it. */
import { addTexts } from ".";
import texts from "./people.en.texts.json";

addTexts(texts);
