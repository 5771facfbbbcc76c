"""Python's own answers for python.rs: python3 python_answers.py > python_answers.txt"""
import json

texts = ["", "abc", "ABC", "aBC def", "they're bill's friends", "x1y2 3z", "straße", "ǆ ǅ ﬁn ŉa", "ΟΔΟΣ ΣΑΣ", "ᾳβ ᾲ ᾶ",
         "éÉ", "  a b  c ", "\\t\\x1ca\\n", "12", "½", "²3", "٣", "Ⅷ", "+7", "-42", "  ", "漢字", "ა", "a-b_c", "İi", "\\u00a0x\\u3000"]
plain = ["upper", "lower", "title", "capitalize", "swapcase", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines",
         "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "isascii"]
calls = [f"'{t}'.{m}()".replace("'" + t + "'", '"' + t + '"') for t in texts for m in plain]
calls += """
"xxaxbxx".strip("x") "xyaxbyx".lstrip("yx") "xyaxbyx".rstrip("xy") "abc".strip("") " a ".strip(None) "[a]".strip("[]")
"abcab".removeprefix("ab") "abcab".removeprefix("b") "abcab".removesuffix("ab") "abc".removesuffix("")
"a,b,,c".split(",") "a,b,,c".split(",",1) "a,b,,c".split(",",maxsplit=2) "a,b,,c".split(",",0) "a,b,,c".split(",",-1) "".split(",")
"a,b,,c".rsplit(",") "a,b,,c".rsplit(",",1) "a,b,,c".rsplit(",",maxsplit=2) "a,b,,c".rsplit(sep=",") "aaa".split("aa") "aaa".rsplit("aa")
" a b  c ".split(None,1) " a b  c ".rsplit(None,1) " a b  c ".split(maxsplit=0) " a b  c ".rsplit(maxsplit=0) " a b  c ".split(" ")
"a\\nb\\r\\nc\\rd\\n".splitlines() "a\\nb\\r\\n\\nc".splitlines(True) "a\\x0bb\\x0cc\\x1cd\\u2028e\\x85".splitlines() "a\\n\\n".splitlines(keepends=True)
"a=b=c".partition("=") "a=b=c".rpartition("=") "abc".partition("=") "abc".rpartition("=")
"abc".startswith("ab") "abc".startswith(("x","ab")) "abc".startswith(("x","y")) "abc".startswith("") "abc".startswith("b",1) "abc".startswith("bc",1,2)
"abc".startswith("",4) "abc".startswith("",3) "abc".endswith("bc") "abc".endswith(("x","c")) "abc".endswith("b",0,2) "abc".endswith("b",-3,-1) "abc".endswith("")
"aXbXc".replace("X","--") "aXbXc".replace("X","--",1) "aXbXc".replace("X","",0) "aXbXc".replace("X","-",-1) "abc".replace("","-") "abc".replace("","-",2) "aaa".replace("aa","b")
"éabcabc".find("abc") "éabcabc".rfind("abc") "éabc".find("x") "éabcabc".find("abc",2) "éabcabc".find("abc",2,4) "abc".find("") "abc".find("",5) "abc".rfind("") "abcabc".index("c") "abcabc".rindex("c") "abc".find("c",-1)
"abcabc".count("abc") "aaaa".count("aa") "abc".count("") "abcabc".count("a",1) "abcabc".count("a",1,3) "abc".count("x")
", ".join(["a","b","c"]) "".join([]) "-".join("abc") "-".join(["a"])
"42".zfill(5) "-42".zfill(5) "+4".zfill(1) "é".zfill(3) "ab".ljust(5) "ab".rjust(5,"*") "ab".center(5) "ab".center(6,"-") "abc".center(6,".") "a".center(4,"*") "ab".center(1)
{"a":1}.get("a") {"a":1}.get("b") {"a":1}.get("b",2) {"a":None}.get("a",2)
""".split("\n")[1:-1]
lines = []
for line in calls:
    # A line of several calls is cut where one ends and another begins.
    start = 0
    for i in range(1, len(line)):
        if line[i] == " " and line[i - 1] == ")" and line[i + 1] in "\"{":
            lines.append(line[start:i])
            start = i + 1
    lines.append(line[start:])
for call in lines:
    print(call + "\t" + json.dumps(eval(call), ensure_ascii=False))
