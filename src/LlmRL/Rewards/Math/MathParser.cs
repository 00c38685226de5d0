namespace LlmRL.Rewards;

/// <summary>
/// Reads the LaTeX and plain notation of answers into a <see cref="MathNode"/>, in one pass without backtracking over more than a number; gives
/// up (null) on anything else, and on nesting that no answer has.
/// </summary>
internal sealed partial class MathParser
{
    private const int MaxDepth = 60;

    // Steps of one answer: bounds what nested retries cost.
    private const int MaxSteps = 4_000;

    // Commands after a factor that do not begin another one.
    private static readonly HashSet<string> NoFactors =
    [
        "text", "le", "ge", "lt", "gt", "ne", "neq", "in", "cup", "approx", "simeq", "equiv", "end", "to", "rightarrow", "mid", "rvert", "vert", "rfloor",
        "rceil", "land", "lor", "cdot", "times", "div", "over", "ast", "choose", "setminus", "cap",
    ];

    private readonly string text;
    private int at;
    private int depth;
    private int bars;
    private int steps;

    private MathParser(string text) => this.text = text;

    /// <summary>Parses cleaned text (see <see cref="MathText.Clean"/>) as a whole.</summary>
    public static MathNode? Parse(string clean)
    {
        var parser = new MathParser(clean);
        var node = parser.List();
        parser.Space();
        return parser.at == clean.Length ? node : null;
    }

    // element (, element)* where "and", "or" and ; separate as commas do
    private MathNode? List()
    {
        var items = new List<MathNode>();
        while (true)
        {
            if (Relation() is not { } item)
                return null;
            items.Add(item);
            if (!Separator())
                break;
        }

        return items.Count == 1 ? items[0] : new TupleNode(' ', items, ' ');
    }

    private bool Separator()
    {
        var found = false;
        while (Eat(",") || Eat(";") || Eat("\\text{and}") || Eat("\\text{ and }") || Eat("\\text{or}") || Eat("\\text{ or }") || Eat("\\text{, and }")
            || Eat("\\land") || Eat("\\lor") || EatWord("and") || EatWord("or"))
        {
            found = true;
        }

        Space();
        return found && at < text.Length;
    }

    private MathNode? Relation()
    {
        var nodes = new List<MathNode>();
        var operators = new List<string>();
        while (true)
        {
            if (Union() is not { } node)
                return null;
            nodes.Add(node);
            if (EatCommand("approx") || EatCommand("simeq") || Eat("≈"))
            {
                // What follows is a rounded form of what stands before, or the value of a name.
                if (nodes is [SymbolNode { IsConstant: false }])
                {
                    operators.Add("=");
                    continue;
                }

                at = text.Length;
                break;
            }

            if (RelationSign() is not { } sign)
                break;
            operators.Add(sign);
        }

        if (operators.Count == 0)
            return nodes[0];
        if (operators[0] == "in")
            return nodes[^1];
        if (operators.Count == 2 && Direction(operators[0]) is not 0 and var direction && direction == Direction(operators[1]))
            return Interval(nodes, operators, direction);
        if (operators.Any(sign => sign != operators[0]) || (operators.Count > 1 && operators[0] != "="))
            return null;
        // 5 + 6 = 11 is a calculation with its result.
        return operators[0] == "=" && !nodes[0].Symbols.Concat(nodes[^1].Symbols).Any() && nodes[0] is not TupleNode
            ? nodes[^1]
            : new RelationNode(nodes[0], operators[0], nodes[^1]);
    }

    /// <summary>1 where the right side is the larger, −1 where the left side is, 0 for equality.</summary>
    public static int Direction(string sign) => sign[0] == '<' ? 1 : sign[0] == '>' ? -1 : 0;

    private string? RelationSign()
    {
        Space();
        if (EatCommand("le"))
            return "<=";
        if (EatCommand("ge"))
            return ">=";
        if (EatCommand("lt") || Eat("<"))
            return "<";
        if (EatCommand("gt") || Eat(">"))
            return ">";
        if (EatCommand("neq") || EatCommand("ne") || Eat("!="))
            return "!=";
        if (EatCommand("in"))
            return "in";
        return Eat("==") || Eat("=") ? "=" : null;
    }

    private MathNode? Sum()
    {
        if (++depth > MaxDepth || ++steps > MaxSteps)
            return null;
        var negative = Sign();
        var sum = Negate(Product(), negative);
        while (sum is not null)
        {
            Space();
            if (at >= text.Length || text[at] is not ('+' or '-'))
                break;
            negative = Sign();
            sum = Combine('+', sum, Negate(Product(), negative));
        }

        SkipUnit(sum);
        if (sum is not null && EatCommand("over"))
            sum = Combine('/', sum, Sum());
        else if (sum is not null && EatCommand("choose"))
            sum = Sum() is { } k ? Binomial(sum, k) : null;
        depth--;
        return sum;
    }

    private bool Sign()
    {
        var negative = false;
        for (Space(); at < text.Length && text[at] is '+' or '-'; Space())
            negative ^= text[at++] == '-';
        return negative;
    }

    private MathNode? Product()
    {
        var product = Power();
        while (product is not null)
        {
            Space();
            if (EatCommand("cdot") || EatCommand("times") || EatCommand("ast") || Eat("*"))
            {
                var negative = Sign();
                product = Combine('*', product, Negate(Power(), negative));
            }
            else if (EatCommand("div") || Eat("/") || (bars == 0 && Eat(":")))
            {
                var negative = Sign();
                product = Combine('/', product, Negate(Power(), negative));
            }
            else if (StartsFactor())
            {
                product = Combine('*', product, Power());
            }
            else
            {
                break;
            }
        }

        return product;
    }

    // Two numbers side by side are no product, and neither is a number after a word.
    private bool StartsFactor()
    {
        if (at >= text.Length)
            return false;
        var c = text[at];
        if (char.IsAsciiLetter(c))
            return WordLength() is var length && (length <= 3 || Functions.Contains(text.Substring(at, length))) && !IsUnit() && !IsConnector();
        if (c == '\\')
            return at + 1 < text.Length && char.IsAsciiLetter(text[at + 1]) ? !NoFactors.Contains(CommandName()) : Ahead("\\{");
        // 5!3! and (2)3 are products.
        return c is '(' or '[' or '{' || (c == '|' && bars == 0) || (char.IsAsciiDigit(c) && at > 0 && text[at - 1] is '!' or ')');
    }

    private MathNode? Power()
    {
        var node = Postfix();
        if (node is null || !Eat("^"))
            return node;
        return Exponent() is { } exponent ? new OperationNode('^', node, exponent) : null;
    }

    private MathNode? Exponent()
    {
        Space();
        if (at < text.Length && text[at] is '{' or '(')
            return Postfix();
        var negative = Sign();
        return Negate(Postfix(), negative);
    }

    private MathNode? Postfix()
    {
        var node = Primary();
        while (node is not null && at < text.Length && text[at] == '!' && !Ahead("!="))
        {
            at++;
            node = new FunctionNode("factorial", node);
        }

        return node;
    }

    private static MathNode? Negate(MathNode? node, bool negative) => !negative || node is null
        ? node
        : node is NumberNode number ? number with { Number = number.Number.Negate() } : Combine('*', new NumberNode(-1), node);

    private static MathNode? Combine(char operation, MathNode left, MathNode? right) => (left, right) switch
    {
        (_, null) => null,
        (MatrixNode a, MatrixNode b) => operation is '+' or '*' ? MatrixNode.Combine(operation, a, b) : null,
        (MatrixNode a, { Exact: not null } b) when operation is '*' or '/' => a.Times(operation == '*' ? b : new OperationNode('/', new NumberNode(1), b)),
        ({ Exact: not null } or SymbolNode, MatrixNode b) when operation == '*' => b.Times(left),
        (MatrixNode, _) or (_, MatrixNode) => null,
        (TupleNode or UnionNode, _) or (_, TupleNode or UnionNode) => null,
        _ => new OperationNode(operation, left, right),
    };

    private void SkipUnit(MathNode? before)
    {
        if (before is null)
            return;
        while (true)
        {
            Space();
            if (Ahead("\\text{") && !IsConnector() && Matching(at + "\\text".Length) is > 0 and var close)
                at = close + 1;
            else if (at < text.Length && char.IsAsciiLetter(text[at]) && !IsConnector() && EndsInNumber())
                at += WordLength();
            else
                return;
            if (at + 1 < text.Length && text[at] == '^' && char.IsAsciiDigit(text[at + 1]))
                at += 2;
            else if (at + 3 < text.Length && text[at] == '^' && text[at + 1] == '{' && text[at + 3] == '}')
                at += 4;
        }
    }

    private bool EndsInNumber()
    {
        var i = at - 1;
        while (i >= 0 && (text[i] == ' ' || char.IsAsciiLetter(text[i])))
            i--;
        return i >= 0 && (char.IsAsciiDigit(text[i]) || text[i] is '}' or ')' or '.');
    }

    private int Matching(int open)
    {
        var level = 0;
        for (var i = open; i < text.Length; i++)
        {
            level += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
            if (level == 0)
                return i;
        }

        return -1;
    }

    private bool IsConnector()
    {
        var rest = text.AsSpan(at);
        if (rest.StartsWith("\\text{"))
        {
            rest = rest["\\text{".Length..].TrimStart(" ,");
            return rest.StartsWith("and") || rest.StartsWith("or");
        }

        return (rest.StartsWith("and") && (rest.Length == 3 || !char.IsAsciiLetter(rest[3])))
            || (rest.StartsWith("or") && (rest.Length == 2 || !char.IsAsciiLetter(rest[2]) || at > 0 && !char.IsAsciiLetter(text[at - 1])));
    }

    private void Space()
    {
        while (at < text.Length && text[at] == ' ')
            at++;
    }

    private bool Ahead(string token) => string.CompareOrdinal(text, at, token, 0, token.Length) == 0;

    private bool Letter() => at < text.Length && char.IsAsciiLetter(text[at]);

    private bool Eat(string token)
    {
        Space();
        if (!Ahead(token))
            return false;
        at += token.Length;
        return true;
    }

    private bool EatCommand(string name)
    {
        Space();
        if (at >= text.Length || text[at] != '\\' || string.CompareOrdinal(text, at + 1, name, 0, name.Length) != 0)
            return false;
        var end = at + 1 + name.Length;
        if (end < text.Length && char.IsAsciiLetter(text[end]))
            return false;
        at = end;
        return true;
    }

    private bool EatWord(string word)
    {
        Space();
        if (!Ahead(word) || !IsConnector())
            return false;
        at += word.Length;
        return true;
    }

    private int WordLength()
    {
        var end = at;
        while (end < text.Length && char.IsAsciiLetter(text[end]))
            end++;
        return end - at;
    }

    private string CommandName()
    {
        var end = at + 1;
        while (end < text.Length && char.IsAsciiLetter(text[end]))
            end++;
        return text[(at + 1)..end];
    }

    private string Normalized(int start, int end) =>
        text[start..end].Replace(" ", "", StringComparison.Ordinal).Replace("{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal);
}
