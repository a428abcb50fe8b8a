"""Families of short texts: the chosen answer does what was asked and stops, the rejected one is curt, vague or rambling.

Every function takes a random source and returns at least ten triples (prompt, chosen, rejected).
"""


def polite_request(random):
    wishes = [
        ("send the invoice", "the invoice", "Mr. Lopez"), ("move the meeting to Tuesday", "the meeting", "Ms. Chen"),
        ("repair the heater", "the heater", "Mr. Novak"), ("return the projector", "the projector", "Ms. Okoye"),
        ("check the contract", "the contract", "Mr. Haddad"), ("confirm the booking", "the booking", "Ms. Rossi"),
        ("share the slides", "the slides", "Mr. Kim"), ("clean the stairs", "the stairs", "Ms. Weber"),
        ("update the price list", "the price list", "Mr. Silva"), ("forward the report", "the report", "Ms. Dubois"),
        ("order more paper", "the paper", "Mr. Jensen"),
    ]
    for wish, thing, name in wishes:
        yield (
            f"Write a polite two-sentence message that asks {name} to {wish}.",
            f"Dear {name}, could you please {wish} by Thursday? Thank you very much for your help with {thing}.",
            random.choice([
                f"{name}, you still did not {wish}. Do it now.",
                f"I want to talk about {thing}.",
            ]),
        )


def numbered_steps(random):
    recipes = [
        ("make tea", ["Boil the water.", "Pour it over the tea.", "Wait three minutes."]),
        ("plant a seed", ["Fill a pot with soil.", "Press the seed in.", "Water it gently."]),
        ("boil an egg", ["Heat water in a pot.", "Lower the egg in.", "Cool it after eight minutes."]),
        ("wash a cup", ["Rinse the cup.", "Scrub it with soap.", "Let it dry."]),
        ("mail a letter", ["Fold the letter.", "Write the address.", "Add a stamp."]),
        ("change a bulb", ["Switch off the light.", "Take out the old bulb.", "Screw in the new one."]),
        ("toast bread", ["Cut a slice.", "Put it in the toaster.", "Take it out when brown."]),
        ("wrap a gift", ["Cut the paper.", "Fold it around the gift.", "Fix it with tape."]),
        ("back up a file", ["Plug in a drive.", "Copy the file to it.", "Open the copy to check."]),
        ("clean glasses", ["Rinse the lenses.", "Rub in a drop of soap.", "Dry with a soft cloth."]),
        ("sharpen a pencil", ["Push the tip in.", "Turn it a few times.", "Blow off the dust."]),
    ]
    for task, steps in recipes:
        yield (
            f"How do I {task}? Give three numbered steps.",
            "\n".join(f"{index}) {step}" for index, step in enumerate(steps, 1)),
            random.choice([
                f"It is easy to {task}. You can do it at home.",
                f"To {task}, you should follow the instructions.",
            ]),
        )


def missing_information(random):
    questions = [
        ("How long is the drive to my sister?", "where you start, where she lives"),
        ("What does the ticket cost?", "which ticket, which day"),
        ("How much paint do I need?", "the wall area, the number of coats"),
        ("When does my parcel arrive?", "the carrier, the tracking number"),
        ("How old is my neighbour?", "the year of birth"),
        ("Which size should I order?", "the product, your measurements"),
        ("How many guests can sit down?", "the number of tables, the seats at each"),
        ("What is the area of my garden?", "the length, the width"),
        ("How fast did I run?", "the distance, the time"),
        ("What was my average grade?", "the list of grades"),
        ("Is my flight on time?", "the flight number, the date"),
    ]
    for question, missing in questions:
        yield (
            f"{question} If something is missing, answer only MISSING and what you need.",
            f"MISSING: {missing}",
            random.choice([
                f"The answer is {random.randint(3, 30)}, but it depends.",
                "It depends on a lot of different things.",
            ]),
        )


def formal_rewrite(random):
    sentences = [
        ("hey, can u fix this?", "Could you please correct this?"), ("gonna be late, sorry", "I apologise, but I will arrive late."),
        ("that plan is bad", "I have some concerns about this plan."), ("call me back asap", "Please return my call at your earliest convenience."),
        ("we can't pay that much", "Unfortunately, this exceeds our budget."), ("thx for the help", "Thank you for your assistance."),
        ("u forgot the file", "It appears that the attachment is missing."), ("wanna meet tmrw?", "Would you be available tomorrow?"),
        ("this is way too slow", "The current pace does not meet our needs."), ("no idea, ask Tom", "I suggest that you consult Tom on this matter."),
        ("got ur mail", "I confirm receipt of your message."),
    ]
    for casual, formal in sentences:
        yield (
            f"Rewrite in formal English, one sentence: {casual}",
            formal,
            random.choice([
                f"Hey! {casual.capitalize()} That is how people say it.",
                f"{casual.capitalize()}!",
            ]),
        )


def grammar_fix(random):
    sentences = [
        ("She go to school every day.", "She goes to school every day."), ("He have two cat.", "He has two cats."),
        ("They was late yesterday.", "They were late yesterday."), ("I has never been there.", "I have never been there."),
        ("The dogs is hungry.", "The dogs are hungry."), ("We eats at noon.", "We eat at noon."),
        ("This shoes are new.", "These shoes are new."), ("He don't like tea.", "He doesn't like tea."),
        ("She can sings well.", "She can sing well."), ("There is many cars.", "There are many cars."),
        ("It rain all night.", "It rained all night."),
    ]
    for wrong, right in sentences:
        yield (
            f"Correct the grammar and mark the result with OK: {wrong}",
            f"OK: {right}",
            random.choice([
                f"{wrong}",
                f"{wrong} This sentence is correct and easy to understand.",
            ]),
        )


def code_one_liner(random):
    tasks = [
        ("the largest number in a list xs", "max(xs)", "list"), ("the sum of squares of xs", "sum(x * x for x in xs)", "sum"),
        ("the words of a text s", "s.split()", "string"), ("xs without duplicates, sorted", "sorted(set(xs))", "set"),
        ("the string s in reverse", "s[::-1]", "string"), ("the even numbers of xs", "[x for x in xs if x % 2 == 0]", "list"),
        ("the number of a's in s", "s.count('a')", "string"), ("the last three items of xs", "xs[-3:]", "list"),
        ("whether s is a palindrome", "s == s[::-1]", "string"), ("the average of xs", "sum(xs) / len(xs)", "number"),
        ("a dictionary from xs to ys", "dict(zip(xs, ys))", "dictionary"), ("the longest word of ws", "max(ws, key=len)", "word"),
    ]
    for task, code, topic in tasks:
        yield (
            f"Python one-liner, code only: {task}.",
            f"`{code}`",
            random.choice([
                f"In Python, you can use a {topic} to do this.",
                f"You need a {topic} for this in Python.",
            ]),
        )


def one_sentence_why(random):
    facts = [
        ("Why does ice float?", "Because ice is less dense than liquid water.", "ice is cold"),
        ("Why is the sky blue?", "Because air scatters blue light more than red light.", "the sea is blue"),
        ("Why do leaves look green?", "Because chlorophyll reflects green light.", "leaves are plants"),
        ("Why do we see lightning first?", "Because light travels faster than sound.", "lightning is bright"),
        ("Why does bread rise?", "Because yeast makes bubbles of gas in the dough.", "the oven is hot"),
        ("Why does the moon shine?", "Because it reflects the light of the sun.", "the moon is full"),
        ("Why do magnets stick to iron?", "Because iron becomes magnetic near a magnet.", "iron is heavy"),
        ("Why do we sweat?", "Because evaporating sweat cools the skin.", "we drink water"),
        ("Why does wood burn?", "Because it reacts with oxygen when it is hot.", "wood comes from trees"),
        ("Why are there seasons?", "Because the axis of the earth is tilted.", "the year has months"),
        ("Why does salt melt ice?", "Because it lowers the freezing point of water.", "salt is white"),
    ]
    for question, answer, vague in facts:
        yield (
            f"{question} One sentence that starts with Because.",
            answer,
            random.choice([
                f"There are many reasons. One is that {vague}.",
                f"Because {vague}.",
            ]),
        )


def summary_in_brackets(random):
    stories = [
        ("The bus broke down, so the class walked to the museum and came an hour late.", "class reaches museum late"),
        ("A storm hit the coast at night. Boats were damaged, but nobody was hurt.", "storm damages boats only"),
        ("The bakery ran out of flour, and it sold only coffee that morning.", "bakery sells only coffee"),
        ("Heavy snow closed the road. The village got food by helicopter.", "helicopter supplies snowed-in village"),
        ("The team lost four games, changed the coach, and then won the cup.", "new coach, cup won"),
        ("A cat hid in a truck and was found 200 miles away, healthy.", "cat found after long ride"),
        ("The city planted 500 trees, and summers in the centre became cooler.", "trees cool city centre"),
        ("The power failed during the concert, and the choir sang in the dark.", "choir sings without power"),
        ("A farmer found old coins in a field and gave them to a museum.", "farmer gives coins to museum"),
        ("The bridge was closed for repairs, so ferries ran all night.", "ferries replace closed bridge"),
        ("The school swapped cake for fruit, and most children liked it.", "children accept fruit"),
    ]
    for story, summary in stories:
        yield (
            f"Summarise in at most five words, inside square brackets: {story}",
            f"[{summary}]",
            random.choice([
                f"It is about this: {story}",
                f"A {random.choice(['short', 'nice', 'sad'])} story.",
            ]),
        )


def subject_line(random):
    mails = [
        ("the office is closed on May 1", "Office closed on May 1"), ("lunch moves to room 12", "Lunch now in room 12"),
        ("the printer works again", "Printer repaired"), ("the deadline is one week later", "Deadline extended by one week"),
        ("parking is full on Friday", "No parking on Friday"), ("the course still has two seats", "Two seats left in the course"),
        ("the server restarts at 22:00", "Server restart at 22:00"), ("badges must be renewed", "Please renew your badge"),
        ("the canteen has new hours", "New canteen hours"), ("a blue scarf was found", "Found: blue scarf"),
        ("the heating test is tomorrow", "Heating test tomorrow"),
    ]
    for content, subject in mails:
        yield (
            f"Write only the subject line of a mail which says that {content}.",
            f"Subject: {subject}",
            random.choice([
                f"Dear all, I am writing to let you know that {content}.",
                f"I am writing to you because {content}.",
            ]),
        )


FAMILIES = [
    polite_request, numbered_steps, missing_information, formal_rewrite, grammar_fix, code_one_liner, one_sentence_why,
    summary_in_brackets, subject_line,
]
