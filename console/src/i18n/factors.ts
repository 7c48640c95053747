/** The texts about second factors, which come with what shows them. */
import { addTexts } from ".";
import texts from "./factors.en.texts.json";

addTexts(texts);
