export { printable, printableJson, quoted } from "@sesame/core-types/printable";
