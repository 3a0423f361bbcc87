import { Denial, isProfileName, limits } from "@sesame/core-types";

/** One trust context. */
export type Profile = { readonly name: string; readonly active: boolean };

/** All profiles; the default is one of them, or null while there are none. */
export type Profiles = {
  readonly profiles: readonly Profile[];
  readonly default: string | null;
};

export const NO_PROFILES: Profiles = { profiles: [], default: null };

/** The first profile becomes the default. An existing name changes nothing. */
export function create(state: Profiles, name: string): Profiles {
  if (!isProfileName(name)) throw new Denial("name-invalid", "name of a profile");
  if (state.profiles.some((profile) => profile.name === name)) return state;
  if (state.profiles.length >= limits.MAX_PROFILES) throw new Denial("too-many-profiles");
  return {
    profiles: [...state.profiles, { name, active: false }],
    default: state.default ?? name,
  };
}

/** @throws {Denial} profile-unknown */
export function setActive(state: Profiles, name: string, active: boolean): Profiles {
  if (find(state, name).active === active) return state;
  const profiles = state.profiles.map((profile) =>
    profile.name === name ? { name, active } : profile,
  );
  return { ...state, profiles };
}

/** @throws {Denial} profile-unknown */
export function setDefault(state: Profiles, name: string): Profiles {
  return { ...state, default: find(state, name).name };
}

/** What goes over the bus. */
export function listed(state: Profiles): { name: string; active: boolean; default: boolean }[] {
  return state.profiles.map(({ name, active }) => ({
    name,
    active,
    default: name === state.default,
  }));
}

function find(state: Profiles, name: string): Profile {
  const found = state.profiles.find((profile) => profile.name === name);
  if (found === undefined) throw new Denial("profile-unknown", name);
  return found;
}
