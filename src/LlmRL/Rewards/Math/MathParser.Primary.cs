namespace LlmRL.Rewards;

// The atoms of the notation: numbers, names, brackets, LaTeX commands.
internal sealed partial class MathParser
{
    private static readonly HashSet<string> Functions =
    [
        "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log", "lg", "exp", "sqrt",
        "abs", "floor", "ceil",
    ];

    private static readonly HashSet<string> Units =
    [
        "cm", "mm", "km", "kg", "mg", "ft", "lb", "lbs", "oz", "mph", "kmh", "hr", "hrs", "min", "sec", "ml", "pct", "usd", "yd",
        "mi", "gal", "in", "am", "pm", "AM", "PM",
    ];

    // Operators whose subscripts and superscripts are part of them: compared as written.
    private static readonly HashSet<string> Opaque = ["sum", "prod", "int", "lim", "max", "min", "gcd", "lcm", "bigcup", "bigcap"];

    /// <summary>Whether letters side by side are a function, a unit, a constant or a connector rather than a word or a product of symbols.</summary>
    public static bool IsKnownWord(string word) => Functions.Contains(word) || Units.Contains(word) || word is "and" or "or" or "pi" or "inf";

    private bool IsUnit() => WordLength() is var length && Units.Contains(text.Substring(at, length)) && EndsInNumber()
        && !Functions.Contains(text.Substring(at, length));

    private MathNode? Primary()
    {
        Space();
        if (at >= text.Length || ++depth > MaxDepth || ++steps > MaxSteps)
            return null;
        var c = text[at];
        var node = c switch
        {
            '.' => Number(),
            _ when char.IsAsciiDigit(c) => Number(),
            '(' or '[' => Bracketed(c),
            '{' => Braced(),
            '|' => Bars(),
            '\\' => Command(),
            _ when char.IsAsciiLetter(c) => Name(),
            _ => null,
        };
        depth--;
        return node;
    }

    private MathNode? Number()
    {
        var start = at;
        while (at < text.Length && (char.IsAsciiDigit(text[at]) || (text[at] == '.' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]))))
            at++;
        var digits = text.AsSpan(start, at - start);
        if (at < text.Length && text[at] == '.')
            at++;
        if (Rational.Decimal(digits) is not { } number)
            return null;
        var point = digits.IndexOf('.');
        // 52_8 is written in base 8; as its digits do not say in which, it is a name of its own.
        if (at < text.Length && text[at] == '_')
            return Subscripted(digits.ToString());
        var node = new NumberNode(number, point < 0 ? 0 : digits.Length - point - 1);
        if (Ahead("\\overline{"))
            return Repeating(node);
        if (Scientific(number) is { } scaled)
            return new NumberNode(scaled, node.Decimals);
        return point < 0 ? Mixed(node) : node;
    }

    // 0.1\overline{6} = 0.1 + 6 / (10 · 9)
    private NumberNode? Repeating(NumberNode node)
    {
        at += "\\overline{".Length;
        var start = at;
        if (Digits() is not { } period || !Eat("}") || Rational.Power(10, -node.Decimals) is not { } scale)
            return null;
        var nines = Rational.Power(10, at - 1 - start) is { } power ? Rational.Add(power, -1) : null;
        return nines is { } below && Rational.Divide(period, below) is { } part && Rational.Multiply(part, scale) is { } rest
            && Rational.Add(node.Number, rest) is { } sum
            ? new NumberNode(sum)
            : null;
    }

    // 1.5e3, but not 2e (twice Euler's number) nor 2ex
    private Rational? Scientific(Rational number)
    {
        if (at + 1 >= text.Length || text[at] is not ('e' or 'E'))
            return null;
        var end = at + 1;
        var negative = text[end] == '-';
        if (text[end] is '-' or '+')
            end++;
        var first = end;
        while (end < text.Length && char.IsAsciiDigit(text[end]) && end - first < 4)
            end++;
        if (end == first)
            return null;
        var exponent = int.Parse(text.AsSpan(first, end - first), System.Globalization.CultureInfo.InvariantCulture);
        if (Rational.Power(10, negative ? -exponent : exponent) is not { } power)
            return null;
        at = end;
        return Rational.Multiply(number, power);
    }

    // 3 1/2 and 3\frac{1}{2}
    private MathNode? Mixed(NumberNode whole)
    {
        var start = at;
        Space();
        if (Ahead("\\frac") && Primary() is OperationNode { Left: NumberNode, Right: NumberNode, Exact: { } part }
            && Rational.Add(whole.Number, part) is { } sum)
        {
            return new NumberNode(sum);
        }

        at = start;
        if (at >= text.Length || text[at] != ' ')
            return whole;
        Space();
        var top = Digits();
        if (top is { } numerator && at < text.Length && text[at] == '/')
        {
            at++;
            if (Digits() is { } denominator && Rational.Divide(numerator, denominator) is { } fraction && Rational.Add(whole.Number, fraction) is { } mixed)
                return new NumberNode(mixed);
        }

        at = start;
        return whole;
    }

    private Rational? Digits()
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
            at++;
        return Rational.Decimal(text.AsSpan(start, at - start));
    }

    private MathNode? Bracketed(char open)
    {
        at++;
        var outer = bars;
        bars = 0;
        var inside = List();
        bars = outer;
        Space();
        if (inside is null || at >= text.Length || text[at] is not (')' or ']'))
            return null;
        var close = text[at++];
        if (inside is TupleNode { IsList: true } list)
            return new TupleNode(open, list.Items, close);
        return (open, close) is ('(', ')') or ('[', ']') ? inside : null;
    }

    private MathNode? Braced()
    {
        at++;
        if (Eat("}"))
            return null;
        var outer = bars;
        bars = 0;
        var inside = List();
        bars = outer;
        return inside is not null && Eat("}") ? inside : null;
    }

    private MathNode? Bars()
    {
        at++;
        bars++;
        var inside = Sum();
        bars--;
        return inside is not null && Eat("|") ? new FunctionNode("abs", inside) : null;
    }

    private MathNode? Name()
    {
        var length = WordLength();
        var word = text.Substring(at, length);
        if (word is "pi" or "inf" or "infinity" or "infty")
        {
            at += length;
            return new SymbolNode(word == "pi" ? "\\pi" : "\\infty");
        }

        if (Functions.Contains(word))
        {
            at += length;
            return Apply(word);
        }

        if (length > 3)
            return null;
        return Subscripted(text[at++].ToString());
    }

    private MathNode? Subscripted(string name)
    {
        while (at < text.Length && text[at] is '_' or '\'')
        {
            if (text[at++] == '\'')
            {
                name += "'";
                continue;
            }

            var start = at;
            if (Skip() is false)
                return null;
            name += "_" + Normalized(start, at);
        }

        return new SymbolNode(name);
    }

    // Passes over one argument: a group in braces, a command or a character.
    private bool Skip()
    {
        Space();
        if (at >= text.Length)
            return false;
        if (text[at] == '{')
        {
            var close = Matching(at);
            at = close + 1;
            return close > 0;
        }

        if (text[at++] == '\\')
            at += WordLength();
        return true;
    }

    private MathNode? Argument()
    {
        Space();
        if (at < text.Length && char.IsAsciiDigit(text[at]))
            return new NumberNode(text[at++] - '0');
        if (Letter())
            return new SymbolNode(text[at++].ToString());
        return Primary();
    }

    private MathNode? Command()
    {
        if (Ahead("\\{"))
            return SetOf();
        if (Ahead("\\text{") && at + 7 < text.Length && text[at + 7] == '}' && char.IsAsciiLetter(text[at + 6]))
            return Subscripted(text[(at += 8) - 2].ToString());
        var start = at++;
        var length = WordLength();
        var name = text.Substring(at, length);
        at += length;
        switch (name)
        {
            case "" or "text" or "end" or "mid" or "to":
                return null;
            case "frac":
                return Argument() is { } top && Argument() is { } bottom ? new OperationNode('/', top, bottom) : null;
            case "binom":
                return Argument() is { } n && Argument() is { } k ? Binomial(n, k) : null;
            case "lvert" or "vert":
                return Until("\\rvert", "abs");
            case "lfloor":
                return Until("\\rfloor", "floor");
            case "lceil":
                return Until("\\rceil", "ceil");
            case "begin":
                return Matrix();
            case "emptyset" or "varnothing":
                return new TupleNode('{', [], '}');
            case "sqrt":
                return RootOf();
        }

        if (Functions.Contains(name))
            return Apply(name);
        if (Opaque.Contains(name))
        {
            while (at < text.Length && (text[at] is '_' or '^' or ' '))
            {
                if (text[at++] != ' ' && !Skip())
                    return null;
            }

            return new SymbolNode(Normalized(start, at));
        }

        return Subscripted("\\" + (name is "varphi" ? "phi" : name is "varepsilon" ? "epsilon" : name));
    }

    // n! / (k! (n − k)!)
    private static OperationNode Binomial(MathNode n, MathNode k)
    {
        var rest = new OperationNode('+', n, new OperationNode('*', new NumberNode(-1), k));
        var below = new OperationNode('*', new FunctionNode("factorial", k), new FunctionNode("factorial", rest));
        return new OperationNode('/', new FunctionNode("factorial", n), below);
    }

    private MathNode? Until(string close, string function) =>
        Sum() is { } inside && (Eat(close) || (function == "abs" && Eat("\\vert"))) ? new FunctionNode(function, inside) : null;

    private MathNode? RootOf()
    {
        var index = 2;
        if (Eat("["))
        {
            if (Digits() is not { IsInteger: true } order || order.CompareTo(64) > 0 || order.CompareTo(2) < 0 || !Eat("]"))
                return null;
            index = (int)order.Numerator;
        }

        return Argument() is { } radicand ? new FunctionNode("sqrt", radicand, index) : null;
    }

    // sin^2 x, log_2 8, sin 2x, sin(x) y
    private MathNode? Apply(string name)
    {
        MathNode? logBase = null, power = null;
        while (at < text.Length && text[at] is '_' or '^')
        {
            if (text[at++] == '_')
                logBase = Argument();
            else if ((power = Exponent()) is null)
                return null;
        }

        Space();
        var grouped = at < text.Length && text[at] is '(' or '{' or '[';
        var negative = !grouped && Sign();
        var argument = Negate(Power(), negative);
        while (argument is not null && !grouped)
        {
            Space();
            if (!Letter() && !Ahead("\\pi") && !Ahead("\\theta") && !Ahead("\\alpha") && !Ahead("\\beta"))
                break;
            if (!StartsFactor() || Functions.Contains(text.Substring(at, WordLength())))
                break;
            argument = Power() is { } next ? new OperationNode('*', argument, next) : null;
        }

        if (argument is null or TupleNode or MatrixNode)
            return null;
        if (name == "lg")
            (name, logBase) = ("log", logBase ?? new NumberNode(10));
        if (name is "sin" or "cos" or "tan" && power is { Exact: { } inverse } && inverse == -1)
            (name, power) = ("arc" + name, null);
        MathNode value = new FunctionNode(name, argument);
        if (logBase is not null)
            value = new OperationNode('/', value, new FunctionNode(name, logBase));
        return power is null ? value : new OperationNode('^', value, power);
    }

    private MathNode? SetOf()
    {
        at += 2;
        if (Eat("\\}"))
            return new TupleNode('{', [], '}');
        if (List() is not { } inside || !Eat("\\}"))
            return null;
        return new TupleNode('{', inside is TupleNode { IsList: true } list ? list.Items : [inside], '}');
    }

    private MathNode? Matrix()
    {
        var determinant = Ahead("{vmatrix}");
        if (!(Eat("{pmatrix}") || Eat("{bmatrix}") || Eat("{matrix}") || Eat("{vmatrix}") || Eat("{array}")))
            return null;
        if (at < text.Length && text[at] == '{' && !Skip())
            return null;
        var rows = new List<IReadOnlyList<MathNode>>();
        var row = new List<MathNode>();
        while (true)
        {
            if (Sum() is not { } cell)
                return null;
            row.Add(cell);
            if (Eat("&"))
                continue;
            rows.Add(row);
            row = [];
            var more = Eat("\\\\");
            if (EatCommand("end"))
            {
                if (!Skip() || rows.Any(r => r.Count != rows[0].Count))
                    return null;
                var matrix = new MatrixNode(rows);
                return determinant ? matrix.Determinant() : matrix;
            }

            if (!more)
                return null;
        }
    }
}
