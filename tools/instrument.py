"""Puts points into the text of a kernel. Each stores a byte as it is passed, so that a run shows which branches were
taken, both ways, and which loops ran zero times, once, and several times.

    if (a && b)           if (cover_if(COVER + 3, !!(a)) && cover_if(COVER + 6, !!(b)))
    c ? x : y             cover_if(COVER + 9, !!(c)) ? x : y
    for (uint i = 0; i < n; i++)
                          for (uint i = 0, cover_1 = 0; cover_loop(COVER + 12, &cover_1, !!(i < n)); i++)

COVER is the place of the program's bytes, three for each point: an option that the library adds when it builds the
program (src/device/opencl/coverage.c), a place in the memory of the process. So kernels must run in that process, as
those of drivers for processors do.

No points: conditions of macros and numbers alone, and loops that are marked to be unrolled or that count to a constant.
"""

import re
from collections import namedtuple

# kind: CONDITION, LOOP, DO; or a scope: KERNEL, FUNCTION, MACRO. scope: the number of its scope. text: the condition,
# or the scope's name.
Point = namedtuple("Point", "kind scope file line text")

PRELUDE = """\
#define COVER_AT(k) ((__global uchar *)(k))[0]
#define COVER_INLINE static inline __attribute__((always_inline, overloadable))
COVER_INLINE void cover_hit(ulong k) { COVER_AT(k) = 1; }
COVER_INLINE int cover_if(ulong k, int c) { COVER_AT(k + (c ? 0 : 1)) = 1; return c; }
#define COVER_VECTOR(type) COVER_INLINE type cover_if(ulong k, type c) \\
    { if (any(c)) COVER_AT(k) = 1; if (!all(c)) COVER_AT(k + 1) = 1; return c; }
COVER_VECTOR(int2)
COVER_VECTOR(int4)
COVER_VECTOR(int8)
COVER_VECTOR(int16)
#define COVER_LOOP(type) COVER_INLINE int cover_loop(ulong k, type *n, int c) \\
    { if (c) *n += *n < 2 ? 1 : 0; if (c ? *n == 2 : *n < 2) COVER_AT(k + *n) = 1; return c; }
COVER_LOOP(uint)
COVER_LOOP(int)
COVER_LOOP(ulong)
COVER_LOOP(long)
"""

TOKEN = re.compile(
    r"""(?P<directive>^[ \t]*\#(?:[^\n\\]|\\.)*)|(?P<space>\s+|\\\n)|(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:\\.|[^"\\\n])*")|(?P<name>[A-Za-z_]\w*)
    |(?P<number>(?:0[xX][0-9a-fA-F.]+(?:[pP][+-]?\d+)?|\d+\.?\d*(?:[eE][+-]?\d+)?)[fFuUlL]*|\.\d+[fF]?)
    |(?P<mark><<=|>>=|\+\+|--|->|&&|\|\||[-+*/%&|^<>=!]=|<<|>>|\#\#|.)""",
    re.S | re.X | re.M,
)
DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)(?:\([^)]*\))?")
LINE = re.compile(r'#line (\d+) "([^"]+)"')
OPTION = re.compile(r"-D (\w+)")
PAIRS = {"(": ")", "[": "]", "{": "}"}
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
# What ends the condition of ?: on its left, unless it is in brackets; and an operand of && and ||.
BEFORE_CONDITION = ASSIGN | {"?", ":", ",", ";", "(", "[", "{", ")", "]", "}", "return"}
AROUND_OPERAND = BEFORE_CONDITION | {"&&", "||"}
COUNTER_TYPES = {"uint", "arith_u32", "int", "ulong", "long", "size_t", "const"}
LEFT_OUT = {"arith.h", "philox.h"}  # tests of their own try each value, or vectors of known answers


class Piece:
    """Tokens of a file or of a macro's body. A place is the number of a token that is neither space nor comment nor
    directive."""

    def __init__(self, text, line=1, file=""):
        self.tokens, self.real, self.places = [], [], []
        self.directives = []  # (token, its place, its file and line)
        self.match = {}  # of brackets, both ways
        self.wraps = {}  # (first, end): (before, after)
        stack, saved = [], []
        for m in TOKEN.finditer(text):
            self.tokens.append(m[0])
            if m.lastgroup == "directive":
                self.directives.append((len(self.tokens) - 1, len(self.real), (file, line)))
                self.follow_branch(m[0].split("#")[1].split()[0], stack, saved)
            elif m.lastgroup not in ("space", "comment"):
                self.pair(m[0], stack)
                self.real.append(len(self.tokens) - 1)
                self.places.append((file, line))
            line += m[0].count("\n")
            if LINE.match(m[0]):
                line, file = int(LINE.match(m[0])[1]) - 1, LINE.match(m[0])[2]

    def follow_branch(self, word, stack, saved):
        """A bracket that each branch of an #if opens is closed once."""
        if word.startswith("if"):
            saved.append(list(stack))
        elif word in ("else", "elif"):
            stack[:] = saved[-1]
        elif word == "endif":
            saved.pop()

    def pair(self, token, stack):
        place = len(self.real)
        if token in PAIRS:
            stack.append(place)
        elif token in PAIRS.values() and stack:
            self.match[place] = stack.pop()
            self.match[self.match[place]] = place

    def __len__(self):
        return len(self.real)

    def __getitem__(self, k):
        return self.tokens[self.real[k]] if 0 <= k < len(self) else ""

    def words(self, first, end):
        return " ".join(self[k] for k in range(max(first, 0), end))

    def back(self, k, bounds):
        """The first place of what ends before k."""
        k -= 1
        while k >= 0 and (self.match.get(k, k) < k or self[k] not in bounds):
            k = self.match[k] - 1 if self.match.get(k, k) < k else k - 1
        return k + 1

    def forth(self, k, bounds):
        """The place past what begins at k."""
        while k < len(self) and (self.match.get(k, k) > k or self[k] not in bounds):
            k = self.match[k] + 1 if self.match.get(k, k) > k else k + 1
        return k

    def text(self):
        before, after = {}, {}
        for first, end in sorted(self.wraps, key=lambda w: w[0] - w[1]):  # the outermost first
            before.setdefault(self.real[first], []).append(self.wraps[first, end][0])
            after.setdefault(self.real[end - 1], []).insert(0, self.wraps[first, end][1])
        return "".join(
            "".join(before.get(i, [])) + token + "".join(after.get(i, [])) for i, token in enumerate(self.tokens)
        )


class Instrumenter:
    def __init__(self, text):
        self.points, self.counters, self.scope = [], 0, 0
        self.constants = set(OPTION.findall(text)) | {"uint", "int"}
        self.kernel_words = {"__kernel"}
        for m in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+((?:[^\n\\]|\\.)*)", text, re.M | re.S):
            if self.is_constant(re.sub(r"//.*|/\*.*?\*/", "", m[2])):
                self.constants.add(m[1])
            if "__kernel" in m[2]:
                self.kernel_words.add(m[1])

    def is_constant(self, text):
        return all(m[0] in self.constants for m in TOKEN.finditer(text) if m.lastgroup == "name")

    def add(self, kind, place, text):
        if kind in ("KERNEL", "FUNCTION", "MACRO"):
            self.scope = len(self.points)
        text = re.sub(r" (?=[,;)\]\[.])|(?<=[(\[!.]) |(?<=\w) (?=\()", "", text)
        self.points.append(Point(kind, self.scope, *place, text))
        return f"COVER + {3 * (len(self.points) - 1)}"

    def counter(self):
        self.counters += 1
        return f"cover_{self.counters}"

    def condition(self, piece, first, end):
        """A point at places first .. end-1, unless that is a constant, or its operands have points."""
        k = first
        while k < end and piece[k] not in ("&&", "||"):
            k = piece.match.get(k, k) + 1
        if k < end or (first, end) in piece.wraps or self.is_constant(piece.words(first, end)):
            return
        place = self.add("CONDITION", piece.places[first], piece.words(first, end))
        piece.wraps[first, end] = (f"cover_if({place}, !!(", "))")

    def loop_condition(self, piece, kind, first, end):
        counter = self.counter()
        place = self.add(kind, piece.places[first], piece.words(first, end))
        piece.wraps[first, end] = (f"cover_loop({place}, &{counter}, !!(", "))")
        return counter

    def while_loop(self, piece, k):
        closed = piece.match[k + 1]
        if piece[k - 1] == "}" and piece[piece.match[k - 1] - 1] == "do":
            return
        counter = self.loop_condition(piece, "LOOP", k + 2, closed)
        piece.tokens[piece.real[k]] = "for"
        piece.wraps[k + 1, k + 2] = ("", f"uint {counter} = 0; ")
        piece.wraps[closed, closed + 1] = (";", "")

    def for_loop(self, piece, k):
        begin = k + 2
        first = piece.forth(begin, {";"}) + 1
        end = piece.forth(first, {";"})
        init, condition = piece.words(begin, first - 1), piece.words(first, end)
        counted = re.findall(r"(\w+) =", init)
        constant = counted and self.is_constant(re.sub(rf"\b({'|'.join(counted)})\b", "", init + " " + condition))
        if piece[k - 1] == "UNROLL" or constant:
            return
        counter = self.loop_condition(piece, "LOOP", first, end)
        if not init:
            piece.wraps[k + 1, k + 2] = ("", f"uint {counter} = 0")
        elif piece[begin] in COUNTER_TYPES:
            piece.wraps[first - 2, first - 1] = ("", f", {counter} = 0")
        else:
            piece.wraps[begin, first - 1] = (f"uint {counter} = ((", "), 0)")

    def do_loop(self, piece, k):
        """In a block of its own, with the counter; a pragma before it would stand before the block."""
        closed = piece.match[k + 1]
        first, end = closed + 3, piece.match[closed + 2]
        if self.is_constant(piece.words(first, end)):
            return
        counter = self.loop_condition(piece, "DO", first, end)
        piece.wraps[k, end + 2] = (f"{{ uint {counter} = 1; ", " }")
        for token, place, _ in piece.directives:
            if place == k:
                piece.tokens[token] = ""

    def mark(self, piece, k):
        word = piece[k]
        if word == "if":
            self.condition(piece, k + 2, piece.match[k + 1])
        elif word == "for":
            self.for_loop(piece, k)
        elif word == "while":
            self.while_loop(piece, k)
        elif word == "do":
            self.do_loop(piece, k)
        elif word == "?":
            self.condition(piece, piece.back(k, BEFORE_CONDITION), k)
        elif word in ("&&", "||"):
            self.condition(piece, piece.back(k, AROUND_OPERAND), k)
            self.condition(piece, k + 1, piece.forth(k + 1, AROUND_OPERAND))

    def macro(self, text, place):
        head = DEFINE.match(text)
        if not head or self.is_constant(text[head.end() :]):
            return text
        piece = Piece(text[head.end() :], place[1], place[0])
        self.add("MACRO", place, head[1])
        begin = len(self.points)
        for k in range(len(piece)):
            self.mark(piece, k)
        if len(self.points) == begin:
            self.points.pop()
        return head[0] + piece.text()

    def enter(self, piece, k):
        """Whether a function begins at place k; a point of its own then."""
        if piece[k] != "{" or piece[k - 1] != ")":
            return False
        begin = piece.match[k - 1]
        head = piece.words(piece.back(begin, {";", "}", "{"}), begin).split()
        kind = "KERNEL" if self.kernel_words & set(head) else "FUNCTION"
        place = self.add(kind, piece.places[k], piece[begin - 1])
        piece.wraps[k, k + 1] = ("", f" cover_hit({place});")
        return True

    def file(self, text):
        piece = Piece(text)
        for token, _, place in piece.directives:
            if place[0] not in LEFT_OUT:
                piece.tokens[token] = self.macro(piece.tokens[token], place)
        end = 0
        for k in range(len(piece)):
            if piece.places[k][0] in LEFT_OUT:
                continue
            if k >= end and self.enter(piece, k):
                end = piece.match[k]
            elif k < end:
                self.mark(piece, k)
        return piece.text()


def instrument(text):
    """The text of a program, its includes pasted in, with points; and the list of these."""
    instrumenter = Instrumenter(text)
    body = instrumenter.file(text)
    return PRELUDE + body, instrumenter.points
