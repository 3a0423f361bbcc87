export {
  Approvals,
  type Answer,
  type Ask,
  type Asked,
  type Moment,
  type Progress,
  type Standing,
} from "./approvals.ts";
