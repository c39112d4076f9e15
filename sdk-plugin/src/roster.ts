/**
 * Members that come and go with every call. A Set would do, but Node 20 keeps the tables that a Set
 * has outgrown in one chain, with what they held: once the first of them is old, the young
 * collections copy the remains of every call until the next full one.
 */
export class Roster<Member> {
  readonly #places: (Member | undefined)[] = [];
  readonly #free: number[] = [];

  /** Takes a member in; its place is the way to let it go again. */
  add(member: Member): number {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = member;
    return place;
  }

  /** Lets go of the member in a place. Call it once for each `add`. */
  remove(place: number): void {
    this.#places[place] = undefined;
    this.#free.push(place);
  }

  /** Those who are there now, in no order. */
  members(): Member[] {
    return this.#places.filter((member) => member !== undefined);
  }
}
