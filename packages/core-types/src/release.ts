/** Of every program in this repository. */
export const RELEASE = "0.1.0";
