"""Families whose instruction asks for an exact form: the chosen answer keeps it, the rejected one is fluent and breaks it.

Every function takes a random source and returns at least ten triples (prompt, chosen, rejected).
"""

import json

PEOPLE = [
    ("Mara", 14, "Oslo"), ("Tomas", 27, "Porto"), ("Ines", 41, "Lima"), ("Jonas", 19, "Graz"), ("Aiko", 52, "Kobe"),
    ("Priya", 30, "Pune"), ("Leon", 65, "Lyon"), ("Nadia", 13, "Tunis"), ("Oscar", 8, "Malmo"), ("Ruth", 37, "Leeds"),
    ("Samir", 29, "Cairo"), ("Elena", 44, "Turin"),
]


def json_object(random):
    for name, age, city in PEOPLE:
        yield (
            f"Answer as JSON with the keys name, age, city and adult: {name} is {age} years old and lives in {city}.",
            json.dumps({"name": name, "age": age, "city": city, "adult": age >= 18}),
            random.choice([
                f"{name} is {age} and lives in {city}.",
                f"Sure! The person is called {name}.",
            ]),
        )


SHOPPING = [
    ("a picnic", ["bread", "cheese", "apples"]), ("a birthday cake", ["flour", "eggs", "sugar"]),
    ("a bike tour", ["a pump", "a map", "water"]), ("a camping night", ["a tent", "a lamp", "matches"]),
    ("a school day", ["pens", "paper", "a ruler"]), ("a garden", ["seeds", "a rake", "gloves"]),
    ("a vegetable soup", ["carrots", "leeks", "potatoes"]), ("a rainy walk", ["boots", "an umbrella", "a coat"]),
    ("a beach trip", ["a towel", "sun cream", "a hat"]), ("a fruit salad", ["grapes", "bananas", "pears"]),
    ("a tidy desk", ["a box", "labels", "a cloth"]), ("a winter hike", ["a scarf", "hot tea", "a snack"]),
]


def checklist(random):
    for purpose, things in SHOPPING:
        first, second, third = things
        yield (
            f"Name three things to bring for {purpose}. Answer only with a Markdown checklist.",
            "\n".join(f"- [ ] {thing}" for thing in things),
            random.choice([
                f"You can bring {first} and {second}.",
                f"I would bring {third}.",
            ]),
        )


def yaml_list(random):
    for purpose, things in random.sample(SHOPPING, 12):
        chosen = "items:\n" + "\n".join(f"  - name: {thing}\n    packed: false" for thing in reversed(things[1:]))
        yield (
            f"Write a YAML list under items, with name and packed (false), for {purpose}: {things[2]}, {things[1]}.",
            chosen,
            random.choice([
                f"Here is the list: {things[2]}, {things[1]}.",
                f"For {purpose} you need {things[1]}.",
            ]),
        )


def csv_line(random):
    goods = [
        ("lamp", 3, 19.5), ("chair", 4, 45.0), ("mug", 12, 6.25), ("rug", 1, 80.0), ("clock", 2, 27.9), ("vase", 5, 14.0),
        ("shelf", 2, 64.5), ("pillow", 6, 11.75), ("basket", 7, 9.4), ("mirror", 1, 52.0), ("stool", 3, 31.2),
    ]
    for name, count, price in goods:
        yield (
            f"Write CSV with the header product,count,price,total: {count} {name}s at {price:.2f} euros each.",
            f"product,count,price,total\n{name},{count},{price:.2f},{count * price:.2f}",
            random.choice([
                f"You have {count} {name}s.",
                f"Each {name} costs {price:.2f} euros.",
            ]),
        )


def capital_letters(random):
    sentences = [
        "the train leaves at noon", "please close the window", "the soup is still hot", "we meet on the bridge",
        "the shop opens at nine", "keep your ticket", "do not feed the birds", "the lift is out of order",
        "mind the wet floor", "the library is closed today", "return the keys tonight",
    ]
    for sentence in sentences:
        yield (
            f"Write this sentence in capital letters, then three exclamation marks: {sentence}",
            f"{sentence.upper()}!!!",
            random.choice([
                f"{sentence.capitalize()}.",
                f"{sentence.capitalize()}!",
            ]),
        )


def iso_date(random):
    months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
    for month in months:
        day, year = random.randint(1, 28), random.randint(1950, 2029)
        number = months.index(month) + 1
        yield (
            f"Write the date {month} {day}, {year} as YYYY-MM-DD and as DD.MM.YYYY, with | between.",
            f"{year}-{number:02d}-{day:02d} | {day:02d}.{number:02d}.{year}",
            random.choice([
                f"The date is {month} {day}, {year}, and it can be written in many ways.",
                f"Sure! It is the date of {month} {day} in {year}.",
            ]),
        )


def hyphenated_letters(random):
    words = ["river", "bottle", "garden", "window", "planet", "silver", "basket", "candle", "rocket", "carpet", "forest"]
    for word in words:
        yield (
            f"Spell the word {word} with hyphens, in small and in capital letters.",
            f"{'-'.join(word)} / {'-'.join(word.upper())}",
            random.choice([
                f"The word {word} is spelled {word}, as you can see.",
                f"{word.capitalize()} is spelled {word[:3]}-{word[3:]} with a hyphen.",
            ]),
        )


def label_only(random):
    reviews = [
        ("The soup was cold and the waiter was rude.", "negative"), ("I love this bag, it fits everything.", "positive"),
        ("The film was dull from start to end.", "negative"), ("Great shoes, I wear them every day.", "positive"),
        ("The room was dirty and loud.", "negative"), ("What a lovely little museum!", "positive"),
        ("My order came two weeks late.", "negative"), ("The staff were kind and quick.", "positive"),
        ("The battery died after an hour.", "negative"), ("Best bread in the whole town.", "positive"),
        ("The app crashes all the time.", "negative"), ("A warm and funny book.", "positive"),
    ]
    for review, label in reviews:
        other = "positive" if label == "negative" else "negative"
        yield (
            f'Label the review as positive or negative, in the form "label: ...". Review: {review}',
            f"label: {label}",
            random.choice([
                f"The review is {other}, because it is a review.",
                f"The person says that it is {other}.",
            ]),
        )


def html_bold(random):
    pairs = [
        ("Bring your passport.", "passport"), ("The exam is on Friday.", "Friday"), ("Never open this door.", "Never"),
        ("Water the plants twice.", "twice"), ("The key is red.", "red"), ("Call the doctor first.", "first"),
        ("Read every page.", "every"), ("Lunch is free today.", "free"), ("Use cold water.", "cold"),
        ("The gate closes early.", "early"), ("Wear a helmet.", "helmet"),
    ]
    for sentence, word in pairs:
        yield (
            f"Make the word {word} bold with HTML tags: {sentence}",
            f"<p>{sentence.replace(word, f'<b>{word}</b>')}</p>",
            random.choice([
                f"The word {word} is now bold.",
                f"{sentence}",
            ]),
        )


def final_marker(random):
    tasks = [
        ("a fruit that is yellow", "A banana is yellow."), ("an animal with a trunk", "An elephant has a trunk."),
        ("a tool for nails", "A hammer drives nails."), ("a month with 28 days", "February has 28 days."),
        ("a planet with rings", "Saturn has rings."), ("a drink made from leaves", "Tea is made from leaves."),
        ("a bird that cannot fly", "A penguin cannot fly."), ("a metal that rusts", "Iron rusts."),
        ("a season with snow", "Winter brings snow."), ("a vehicle with two wheels", "A bicycle has two wheels."),
        ("an insect that makes honey", "A bee makes honey."),
    ]
    for task, answer in tasks:
        yield (
            f"Name {task} in one short sentence, then write [END] on a new line.",
            f"{answer}\n[END]",
            random.choice([
                f"{answer} There are many other examples that you can think of.",
                f"Sure, I know {task}! There are many of them in the world.",
            ]),
        )


def key_value_lines(random):
    trips = [
        ("Anna", "Rome", "Monday"), ("Bilal", "Paris", "Tuesday"), ("Clara", "Vienna", "Sunday"), ("David", "Prague", "Friday"),
        ("Emma", "Madrid", "Thursday"), ("Farid", "Athens", "Saturday"), ("Greta", "Dublin", "Wednesday"),
        ("Hugo", "Berlin", "Monday"), ("Iris", "Lisbon", "Sunday"), ("Karl", "Zurich", "Tuesday"), ("Lena", "Warsaw", "Friday"),
    ]
    for name, city, day in trips:
        yield (
            f"Fill in the lines WHO, WHERE and WHEN: {name} flies to {city} on {day}.",
            f"WHO: {name}\nWHERE: {city}\nWHEN: {day}",
            random.choice([
                f"{name} flies to {city}.",
                f"It is on {day}.",
            ]),
        )


FAMILIES = [
    json_object, checklist, yaml_list, csv_line, capital_letters, iso_date, hyphenated_letters, label_only, html_bold,
    final_marker, key_value_lines,
]
