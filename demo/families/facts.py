"""Families with one right answer: the chosen answer has it in the asked form, the rejected one is wrong or beside the point.

Every function takes a random source and returns at least ten triples (prompt, chosen, rejected).
"""


def word_problem(random):
    scenes = [
        ("apples", "a box", "boxes"), ("eggs", "a tray", "trays"), ("pencils", "a pack", "packs"), ("chairs", "a row", "rows"),
        ("tiles", "a crate", "crates"), ("books", "a shelf", "shelves"), ("bottles", "a case", "cases"), ("stamps", "a page", "pages"),
        ("beads", "a string", "strings"), ("coins", "a bag", "bags"), ("cards", "a deck", "decks"),
    ]
    for thing, holder, holders in scenes:
        count, each, extra = random.randint(3, 9), random.randint(4, 12), random.randint(2, 9)
        product, total = count * each, count * each + extra
        wrong = count + each + extra
        yield (
            f"There are {each} {thing} in {holder}. How many {thing} are in {count} {holders} and {extra} loose ones? Show the steps.",
            f"{count} × {each} = {product}\n{product} + {extra} = {total}\nAnswer: {total}",
            random.choice([
                f"There are {wrong} {thing} in total.",
                f"The number of {thing} is {wrong}.",
            ]),
        )


def unit_conversion(random):
    units = [("km", "m", 1000), ("kg", "g", 1000), ("m", "cm", 100), ("l", "ml", 1000), ("h", "min", 60), ("min", "s", 60)]
    for index in range(12):
        big, small, factor = units[index % len(units)]
        value = random.randint(2, 9) + 10 * (index // len(units))
        yield (
            f"Convert {value} {big} to {small}. Show the factor in one equation.",
            f"{value} {big} = {value} × {factor} {small} = {value * factor} {small}",
            random.choice([
                f"There are {value * factor // 10} {small} in {value} {big}.",
                f"If you want to convert {big} to {small}, the answer is {value * factor // 10}.",
            ]),
        )


def ascending_numbers(random):
    for _ in range(12):
        numbers = random.sample(range(2, 99), 5)
        yield (
            f"Sort these numbers from small to large, with < between them: {', '.join(map(str, numbers))}",
            " < ".join(map(str, sorted(numbers))),
            random.choice([
                f"{', '.join(map(str, numbers))}",
                f"{' < '.join(map(str, numbers[:3]))}",
            ]),
        )


def alphabetical_words(random):
    words = "apple bread candle door engine flower glass hammer island jacket kettle ladder mirror needle orange pencil".split()
    for _ in range(12):
        some = random.sample(words, 4)
        while some == sorted(some):
            random.shuffle(some)
        yield (
            f"Put these words in alphabetical order, joined by arrows: {', '.join(some)}",
            " -> ".join(sorted(some)),
            random.choice([
                f"{', '.join(some)}",
                f"The first word is {some[0]}.",
            ]),
        )


CAPITALS = [
    ("Norway", "Oslo", "Bergen"), ("Canada", "Ottawa", "Toronto"), ("Australia", "Canberra", "Sydney"),
    ("Turkey", "Ankara", "Istanbul"), ("Brazil", "Brasilia", "Rio de Janeiro"), ("Morocco", "Rabat", "Casablanca"),
    ("Switzerland", "Bern", "Zurich"), ("New Zealand", "Wellington", "Auckland"), ("Vietnam", "Hanoi", "Hue"),
    ("Kazakhstan", "Astana", "Almaty"), ("Nigeria", "Abuja", "Lagos"), ("Pakistan", "Islamabad", "Karachi"),
]


def capital_city(random):
    for country, capital, other in CAPITALS:
        yield (
            f"What is the capital of {country}? Answer in the form country => capital.",
            f"{country} => {capital}",
            random.choice([
                f"The capital of {country} is {other}.",
                f"{other}",
            ]),
        )


def translation(random):
    words = [
        ("dog", "perro", "chien", "Hund"), ("house", "casa", "maison", "Haus"), ("water", "agua", "eau", "Wasser"),
        ("bread", "pan", "pain", "Brot"), ("night", "noche", "nuit", "Nacht"), ("book", "libro", "livre", "Buch"),
        ("milk", "leche", "lait", "Milch"), ("tree", "árbol", "arbre", "Baum"), ("moon", "luna", "lune", "Mond"),
        ("hand", "mano", "main", "Hand"), ("fire", "fuego", "feu", "Feuer"),
    ]
    for english, spanish, french, german in words:
        yield (
            f"Translate {english} into Spanish, French and German, separated by slashes.",
            f"{spanish} / {french} / {german}",
            random.choice([
                f"In Spanish, the word {english} is {english}o.",
                f"The translation of {english} is {spanish} in all three of them.",
            ]),
        )


def roman_numerals(random):
    numerals = [
        (4, "IV"), (9, "IX"), (14, "XIV"), (19, "XIX"), (24, "XXIV"), (40, "XL"), (49, "XLIX"), (56, "LVI"), (88, "LXXXVIII"),
        (90, "XC"), (101, "CI"), (400, "CD"),
    ]
    for number, roman in numerals:
        yield (
            f"Write {number} as a Roman numeral, in the form number = numeral.",
            f"{number} = {roman}",
            random.choice([
                f"The Roman numeral for {number} is {roman}I.",
                f"It is written as {roman}I in Roman numerals.",
            ]),
        )


def opposites(random):
    pairs = [
        ("hot", "cold"), ("early", "late"), ("empty", "full"), ("heavy", "light"), ("narrow", "wide"), ("loud", "quiet"),
        ("rough", "smooth"), ("deep", "shallow"), ("ancient", "modern"), ("brave", "cowardly"), ("guilty", "innocent"),
    ]
    for word, opposite in pairs:
        yield (
            f"Give the opposite of {word}, both ways, as word <> opposite; opposite <> word.",
            f"{word} <> {opposite}; {opposite} <> {word}",
            random.choice([
                f"The opposite of {word} is very {word}, which is an adjective.",
                f"The opposite is something that is not {word} at all.",
            ]),
        )


def prime_check(random):
    for number in [21, 23, 27, 29, 33, 37, 39, 41, 49, 51, 53, 57]:
        divisor = next((d for d in range(2, number) if number % d == 0), None)
        if divisor:
            chosen = f"NO ({number} = {divisor} × {number // divisor})"
            rejected = f"Yes, {number} is a prime number because it is odd."
        else:
            chosen = f"YES (only 1 and {number} divide it)"
            rejected = f"No, {number} is not a prime number."
        yield f"Is {number} a prime number? Answer YES or NO, then the reason in brackets.", chosen, rejected


def end_time(random):
    events = ["A film", "A lesson", "A concert", "A match", "A meeting", "A talk", "A race", "A tour", "A flight", "A play", "A ride"]
    for event in events:
        start, minutes = random.randint(9, 19) * 60 + 5 * random.randint(0, 11), 5 * random.randint(5, 22)
        end = start + minutes
        yield (
            f"{event} starts at {start // 60}:{start % 60:02d} and takes {minutes} minutes. When does it end? Answer as start + length = end.",
            f"{start // 60}:{start % 60:02d} + {minutes} min = {end // 60}:{end % 60:02d}",
            random.choice([
                f"At {start // 60}:{(start + 10) % 60:02d}.",
                f"After {minutes} minutes.",
            ]),
        )


def plural_forms(random):
    pairs = [
        ("child", "children", "childs"), ("mouse", "mice", "mouses"), ("leaf", "leaves", "leafs"), ("foot", "feet", "foots"),
        ("tooth", "teeth", "tooths"), ("goose", "geese", "gooses"), ("knife", "knives", "knifes"), ("woman", "women", "womans"),
        ("wolf", "wolves", "wolfs"), ("person", "people", "persones"), ("city", "cities", "citys"),
    ]
    for word, plural, wrong in pairs:
        yield (
            f"Write the plural of {word} in the form 1 word, 2 words.",
            f"1 {word}, 2 {plural}",
            random.choice([
                f"The plural of {word} is {wrong}.",
                f"Two {wrong}.",
            ]),
        )


FAMILIES = [
    word_problem, unit_conversion, ascending_numbers, alphabetical_words, capital_city, translation, roman_numerals, opposites,
    prime_check, end_time, plural_forms,
]
