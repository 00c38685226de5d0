using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace LlmRL.Tokenization.Chat;

/// <summary>What a token of a template is.</summary>
internal enum TokenKind
{
    Data,
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Integer,
    Float,
    String,
    Operator,
    End,
}

/// <summary>A token of a template: for a string its value, else its spelling.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Line);

/// <summary>
/// Cuts a template into tokens, with the whitespace rules of Jinja's <c>trim_blocks</c> and <c>lstrip_blocks</c>, which transformers switches on: the line
/// break after a block or comment goes, and so do the spaces before one that begins its line.
/// </summary>
internal sealed partial class TemplateLexer
{
    private static readonly string[] Operators =
        ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ":", "|", ",", ";", "(", ")", "[", "]", "{", "}"];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;
    private bool _lineStarts = true;

    private TemplateLexer(string source) => _source = source;

    public static List<Token> Read(string source)
    {
        var text = source.Replace("\r\n", "\n").Replace('\r', '\n');
        var lexer = new TemplateLexer(text.EndsWith('\n') ? text[..^1] : text);
        while (lexer._position < lexer._source.Length)
            lexer.ReadNext();
        lexer.Add(TokenKind.End, "");
        return lexer._tokens;
    }

    [GeneratedRegex(@"\G\s*raw\s*(?:-%\}\s*|%\})", RegexOptions.CultureInvariant)]
    private static partial Regex RawBegin();

    [GeneratedRegex(@"\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)", RegexOptions.CultureInvariant)]
    private static partial Regex RawEnd();

    [GeneratedRegex(@"\G[0-9]+(?:_[0-9]+)*(?<fraction>\.[0-9]+)?(?<exponent>[eE][+-]?[0-9]+)?", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    private void Add(TokenKind kind, string text) => _tokens.Add(new Token(kind, text, _line));

    private void MoveTo(int position)
    {
        _line += _source.AsSpan(_position, position - _position).Count('\n');
        _lineStarts = position > 0 && _source[position - 1] == '\n';
        _position = position;
    }

    private void ReadNext()
    {
        var tag = NextTag();
        if (tag < 0)
        {
            Add(TokenKind.Data, _source[_position..]);
            MoveTo(_source.Length);
            return;
        }

        var kind = _source[tag + 1];
        var sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
        AddData(_position, tag, sign, isPrint: kind == '{');
        MoveTo(tag + (sign == ' ' ? 2 : 3));
        switch (kind)
        {
            case '#':
                SkipComment();
                break;
            case '{':
                Add(TokenKind.PrintBegin, "{{");
                ReadCode('}');
                break;
            default:
                ReadBlock();
                break;
        }
    }

    private int NextTag()
    {
        for (var at = _position; (at = _source.IndexOf('{', at)) >= 0; at++)
        {
            if (at + 1 < _source.Length && _source[at + 1] is '{' or '%' or '#')
                return at;
        }

        return -1;
    }

    private void AddData(int start, int end, char sign, bool isPrint)
    {
        var text = _source.AsSpan(start, end - start);
        if (sign == '-')
        {
            text = text.TrimEnd();
        }
        else if (sign != '+' && !isPrint)
        {
            var lineStart = text.LastIndexOf('\n') + 1;
            if ((lineStart > 0 || _lineStarts) && text[lineStart..].IsWhiteSpace())
                text = text[..lineStart];
        }

        if (text.Length > 0)
            Add(TokenKind.Data, text.ToString());
    }

    private void SkipComment()
    {
        var end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
            throw Fault("a comment that begins with {# has no #}");
        var sign = end > _position ? _source[end - 1] : ' ';
        MoveTo(AfterTag(end + 2, sign, dropsLineBreak: true));
    }

    // Where the text goes on behind a closing tag: "-" takes all white space along, nothing the line break, "+" not even that.
    private int AfterTag(int end, char sign, bool dropsLineBreak)
    {
        if (sign == '-')
        {
            while (end < _source.Length && char.IsWhiteSpace(_source[end]))
                end++;
        }
        else if (sign != '+' && dropsLineBreak && end < _source.Length && _source[end] == '\n')
        {
            end++;
        }

        return end;
    }

    private void ReadBlock()
    {
        if (RawBegin().Match(_source, _position) is not { Success: true } begin)
        {
            Add(TokenKind.BlockBegin, "{%");
            ReadCode('%');
            return;
        }

        MoveTo(begin.Index + begin.Length);
        var end = RawEnd().Match(_source, _position);
        if (!end.Success)
            throw Fault("{% raw %} has no {% endraw %}");
        AddData(_position, end.Index, end.Groups[1].Value is [var sign] ? sign : ' ', isPrint: false);
        MoveTo(end.Index + end.Length);
    }

    /// <summary>Reads expressions up to the closing tag: <c>}}</c> or <c>%}</c>, by its first character.</summary>
    private void ReadCode(char closing)
    {
        var brackets = new Stack<char>();
        while (true)
        {
            while (_position < _source.Length && char.IsWhiteSpace(_source[_position]))
                MoveTo(_position + 1);
            if (_position >= _source.Length)
                throw Fault(closing == '}' ? "{{ has no }}" : "{% has no %}");
            if (brackets.Count == 0 && AtClosing(closing, out var width, out var sign))
            {
                Add(closing == '}' ? TokenKind.PrintEnd : TokenKind.BlockEnd, _source.Substring(_position, width));
                MoveTo(AfterTag(_position + width, sign, dropsLineBreak: closing == '%'));
                return;
            }

            ReadToken(brackets);
        }
    }

    private bool AtClosing(char closing, out int width, out char sign)
    {
        var c = _source[_position];
        sign = c == '-' || (c == '+' && closing == '%') ? c : ' ';
        width = sign == ' ' ? 2 : 3;
        var at = _position + width - 2;
        return at + 1 < _source.Length && _source[at] == closing && _source[at + 1] == '}';
    }

    private void ReadToken(Stack<char> brackets)
    {
        var c = _source[_position];
        if (char.IsLetter(c) || c == '_')
        {
            var end = _position + 1;
            while (end < _source.Length && (char.IsLetterOrDigit(_source[end]) || _source[end] == '_'))
                end++;
            Add(TokenKind.Name, _source[_position..end]);
            MoveTo(end);
        }
        else if (char.IsAsciiDigit(c))
        {
            // In a.0.1 the numbers are two items, not a fraction.
            var match = Number().Match(_source, _position, _source[_position - 1] == '.' ? RunOfDigits() : _source.Length - _position);
            var isFloat = match.Groups["fraction"].Success || match.Groups["exponent"].Success;
            Add(isFloat ? TokenKind.Float : TokenKind.Integer, match.Value.Replace("_", ""));
            MoveTo(_position + match.Length);
        }
        else if (c is '\'' or '"')
        {
            ReadString(c);
        }
        else
        {
            var sign = Operators.FirstOrDefault(o => string.CompareOrdinal(_source, _position, o, 0, o.Length) == 0)
                ?? throw Fault($"the character '{c}' has no meaning here");
            Balance(brackets, sign[0]);
            Add(TokenKind.Operator, sign);
            MoveTo(_position + sign.Length);
        }
    }

    private int RunOfDigits()
    {
        var rest = _source.AsSpan(_position);
        return rest.IndexOfAnyExceptInRange('0', '9') is >= 0 and var end ? end : rest.Length;
    }

    private void Balance(Stack<char> brackets, char sign)
    {
        if (sign is '(' or '[' or '{')
        {
            brackets.Push(sign switch { '(' => ')', '[' => ']', _ => '}' });
        }
        else if (sign is ')' or ']' or '}')
        {
            if (!brackets.TryPop(out var expected) || expected != sign)
                throw Fault(expected == default ? $"'{sign}' closes nothing" : $"'{expected}' was expected, found '{sign}'");
        }
    }

    private void ReadString(char quote)
    {
        var text = new StringBuilder();
        var at = _position + 1;
        for (; at < _source.Length && _source[at] != quote; at++)
        {
            if (_source[at] == '\\' && at + 1 < _source.Length)
                at = ReadEscape(at + 1, text);
            else
                text.Append(_source[at]);
        }

        if (at >= _source.Length)
            throw Fault($"a string that begins with {quote} has no end");
        Add(TokenKind.String, text.ToString());
        MoveTo(at + 1);
    }

    // Python's escapes; returns the place of the escape's last character.
    private int ReadEscape(int at, StringBuilder text)
    {
        var c = _source[at];
        var plain = c switch
        {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\a',
            'b' => '\b',
            'f' => '\f',
            'v' => '\v',
            '\\' or '\'' or '"' => c,
            _ => '\0',
        };
        if (plain != '\0')
        {
            text.Append(plain);
            return at;
        }

        var digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (at + digits >= _source.Length
                || !uint.TryParse(_source.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var point) || point > 0x10FFFF)
            {
                throw Fault($"\\{c} in a string wants {digits} hexadecimal digits of a character");
            }

            text.Append(point <= char.MaxValue ? ((char)point).ToString() : char.ConvertFromUtf32((int)point));
            return at + digits;
        }

        if (c is >= '0' and <= '7')
        {
            var value = 0;
            var last = at;
            for (; last < _source.Length && last < at + 3 && _source[last] is >= '0' and <= '7'; last++)
                value = (8 * value) + _source[last] - '0';
            text.Append((char)value);
            return last - 1;
        }

        if (c != '\n')
            text.Append('\\').Append(c);
        return at;
    }

    private TemplateFault Fault(string message) => new(message, _line);
}
