"""What the rounds of every part have in common."""


def in_turn(items, number):
    """The items of the round of this number: turned around in every other one, so that a machine that grows slower does
    not always meet the same ones."""
    items = list(items)
    return items if number % 2 == 0 else items[::-1]
