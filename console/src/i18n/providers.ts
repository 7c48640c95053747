/** The texts about signing in through others, which come with their pages. */
import { addTexts } from ".";
import texts from "./providers.en.texts.json";

addTexts(texts);
