#include "ptx.h"

#include <cctype>
#include <cstring>
#include <map>

namespace emulator {
namespace {

// A statement of PTX as words: `.param`, `.u64`, `name`, `[`, `16`, `]` ...
class Words {
public:
    explicit Words(const char *at) : at(at) {}

    std::string next() {
        skip();
        if (!*at) return "";
        const char *begin = at;
        if (word(*at))
            while (word(*at)) at++;
        else
            at++;
        return {begin, at};
    }

    bool end() {
        skip();
        return !*at;
    }

    // To behind the closing brace of the body that opens next; gives the text of it.
    std::string body() {
        while (*at && *at != '{') at++;
        const char *begin = at;
        int depth = 0;
        do {
            if (*at == '{') depth++;
            if (*at == '}') depth--;
            if (*at) at++;
        } while (*at && depth);
        return {begin, at};
    }

private:
    static bool word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$' || c == '%'; }

    void skip() {
        for (;;) {
            if (isspace((unsigned char)*at))
                at++;
            else if (!strncmp(at, "//", 2))
                at += strcspn(at, "\n");
            else
                return;
        }
    }

    const char *at;
};

unsigned bytes_of(const std::string &type) {
    if (type.size() < 3 || type[0] != '.' || !strchr("usbf", type[1]) || !isdigit((unsigned char)type[2])) return 0;
    return (unsigned)atoi(type.c_str() + 2) / 8;
}

// `.type name` or `.type name[count]` with options in between; stops behind `,`, `;` or `)`. Gives that character.
std::string variable(Words &words, std::string &name, unsigned &bytes) {
    unsigned each = 0, count = 1;
    std::string word, before;
    name.clear();
    while (!(word = words.next()).empty() && word != "," && word != ";" && word != ")") {
        if (bytes_of(word)) each = bytes_of(word);
        if (word == "[") {
            word = words.next();
            count = word == "]" ? 0 : (unsigned)atoi(word.c_str());
            if (word != "]") words.next();
        } else if (word[0] != '.' && !(before == ".align")) {
            name = word;
        }
        before = word;
    }
    bytes = each * count;
    return word;
}

}  // namespace

std::string parse(const char *text, Ptx &ptx) {
    static const char HEAD[] = "// tercet module ";
    if (strncmp(text, HEAD, sizeof HEAD - 1)) return "the PTX does not begin with `// tercet module NAME`";
    text += sizeof HEAD - 1;
    ptx.module.assign(text, strcspn(text, " \r\n"));
    std::map<std::string, unsigned> shared;  // of the whole module, by name
    Words words(text + ptx.module.size());
    while (!words.end()) {
        std::string word = words.next();
        if (word == ".version") {
            std::string number = words.next();
            ptx.version = atoi(number.c_str()) * 10 + atoi(strchr(number.c_str(), '.') ? strchr(number.c_str(), '.') + 1 : "0");
        } else if (word == ".target") {
            std::string target = words.next();
            ptx.target = target.size() > 3 ? atoi(target.c_str() + 3) : 0;
        } else if (word == ".shared") {
            std::string name;
            unsigned bytes;
            variable(words, name, bytes);
            shared[name] = bytes;
        } else if (word == ".func") {
            words.body();
        } else if (word == ".entry") {
            PtxEntry entry;
            entry.name = words.next();
            if (words.next() != "(") return "`.entry " + entry.name + "` without parameters in brackets";
            for (std::string stop = ","; stop == ",";) {
                std::string name;
                unsigned bytes;
                stop = variable(words, name, bytes);
                if (bytes) entry.parameter_bytes.push_back(bytes);
            }
            Words rest = words;
            for (std::string w; !(w = rest.next()).empty() && w != "{";)
                if (w == ".maxntid") {
                    unsigned threads = (unsigned)atoi(rest.next().c_str());
                    for (int i = 0; i < 2 && Words(rest).next() == ","; i++) {
                        rest.next();
                        threads *= (unsigned)atoi(rest.next().c_str());
                    }
                    entry.max_threads = threads;
                }
            std::string body = words.body();
            Words inside(body.c_str());
            for (std::string w; !(w = inside.next()).empty();) {
                if (w == ".shared") {
                    std::string name;
                    unsigned bytes;
                    variable(inside, name, bytes);
                    entry.shared_bytes += bytes;
                }
            }
            for (auto &[name, bytes] : shared)
                if (body.find(name) != std::string::npos) entry.shared_bytes += bytes;
            ptx.entries.push_back(entry);
        }
    }
    if (!ptx.version || !ptx.target) return "the PTX of " + ptx.module + " has no .version or no .target";
    return "";
}

int newest_ptx(int driver_version) {
    int major = driver_version / 1000, minor = driver_version % 1000 / 10;
    if (major < 12) return 70 + (minor < 8 ? minor : 8);
    if (major > 12) return (major - 4) * 10 + minor;
    // 12.6 brought nothing new, and from there on one number is missing.
    return 80 + (minor <= 5 ? minor : minor - 1);
}

}  // namespace emulator
