using System.Globalization;

namespace LlmRL.Tokenization.Chat;

/// <summary>Reads expressions, with Jinja's precedence: conditional, or, and, not, comparison, + -, ~, * / // %, **, sign, postfix and filters.</summary>
internal class ExpressionParser(List<Token> tokens)
{
    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];

    private const int MaxDepth = 300;

    private int _next;
    private int _depth;

    protected Token Current => tokens[_next];

    protected Token Take() => tokens[_next < tokens.Count - 1 ? _next++ : _next];

    /// <summary>Goes one level down: a template that is nested deeper than any sane one is refused while the stack still has room.</summary>
    protected void Enter()
    {
        if (++_depth > MaxDepth)
            throw RenderContext.TooDeep(Current.Line);
        RenderContext.EnsureStack();
    }

    protected void Leave() => _depth--;

    protected bool IsSign(string sign) => Current.Kind == TokenKind.Operator && Current.Text == sign;

    protected bool IsWord(string word) => Current.Kind == TokenKind.Name && Current.Text == word;

    protected bool TrySign(string sign) => IsSign(sign) && Take().Line > 0;

    protected bool TryWord(string word) => IsWord(word) && Take().Line > 0;

    protected void Expect(string sign)
    {
        if (!TrySign(sign))
            throw Unexpected($"'{sign}'");
    }

    protected string ExpectName() => Current.Kind == TokenKind.Name ? Take().Text : throw Unexpected("a name");

    protected TemplateFault Unexpected(string expected) =>
        new($"{expected} was expected, found {(Current.Kind == TokenKind.End ? "the end" : $"'{Current.Text}'")}", Current.Line);

    /// <summary>An expression, or several with commas between them, which are a tuple.</summary>
    protected Expression ParseTuple(bool withCondition = true)
    {
        var line = Current.Line;
        var first = withCondition ? ParseExpression() : ParseOr();
        if (!IsSign(","))
            return first;
        List<Expression> items = [first];
        while (TrySign(",") && !EndsList())
            items.Add(withCondition ? ParseExpression() : ParseOr());
        return new ListExpression(line, [.. items], isTuple: true);
    }

    protected Expression ParseExpression()
    {
        Enter();
        var value = ParseOr();
        while (IsWord("if"))
        {
            var line = Take().Line;
            var condition = ParseOr();
            var otherwise = TryWord("else") ? ParseExpression() : null;
            value = new ConditionalExpression(line, condition, value, otherwise);
        }

        Leave();
        return value;
    }

    /// <summary>What follows a value: <c>.name</c>, <c>[…]</c>, <c>(…)</c>, and filters and tests.</summary>
    protected Expression ParseFilters(Expression value)
    {
        while (true)
        {
            var line = Current.Line;
            if (TrySign("|"))
            {
                var name = ParseDottedName();
                value = new FilterExpression(line, value, name, IsSign("(") ? ParseArguments() : ArgumentList.None);
            }
            else if (TryWord("is"))
            {
                value = ParseTest(value, line);
            }
            else if (IsSign("("))
            {
                value = new CallExpression(line, value, ParseArguments());
            }
            else
            {
                return value;
            }
        }
    }

    protected ArgumentList ParseArguments()
    {
        Expect("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? spread = null, spreadNamed = null;
        for (var count = 0; !TrySign(")"); count++)
        {
            if (count > 0)
                Expect(",");
            if (TrySign(")"))
                break;
            if (TrySign("*"))
                spread = ParseExpression();
            else if (TrySign("**"))
                spreadNamed = ParseExpression();
            else if (Current.Kind == TokenKind.Name && tokens[_next + 1] is { Kind: TokenKind.Operator, Text: "=" })
            {
                var name = Take().Text;
                Take();
                named.Add((name, ParseExpression()));
            }
            else
            {
                positional.Add(named.Count == 0 ? ParseExpression() : throw Unexpected("an argument with its name"));
            }
        }

        return new ArgumentList([.. positional], [.. named], spread, spreadNamed);
    }

    private bool EndsList() => Current.Kind is TokenKind.BlockEnd or TokenKind.PrintEnd or TokenKind.End || IsSign(")") || IsSign("=") || IsWord("in") || IsWord("if");

    private Expression ParseOr()
    {
        var value = ParseAnd();
        while (IsWord("or"))
            value = new LogicalExpression(Take().Line, value, ParseAnd(), isAnd: false);
        return value;
    }

    private Expression ParseAnd()
    {
        var value = ParseNot();
        while (IsWord("and"))
            value = new LogicalExpression(Take().Line, value, ParseNot(), isAnd: true);
        return value;
    }

    private Expression ParseNot()
    {
        Enter();
        var value = IsWord("not") ? new NotExpression(Take().Line, ParseNot()) : ParseComparison();
        Leave();
        return value;
    }

    private Expression ParseComparison()
    {
        var line = Current.Line;
        var first = ParseSum();
        List<(string, Expression)> rest = [];
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && Comparisons.Contains(Current.Text))
                rest.Add((Take().Text, ParseSum()));
            else if (TryWord("in"))
                rest.Add(("in", ParseSum()));
            else if (IsWord("not") && tokens[_next + 1] is { Kind: TokenKind.Name, Text: "in" } && Take().Line > 0 && Take().Line > 0)
                rest.Add(("not in", ParseSum()));
            else
                return rest.Count == 0 ? first : new CompareExpression(line, first, [.. rest]);
        }
    }

    private Expression ParseSum() => ParseBinary(["+", "-"], ParseConcatenation);

    private Expression ParseConcatenation() => ParseBinary(["~"], ParseProduct);

    private Expression ParseProduct() => ParseBinary(["*", "/", "//", "%"], ParsePower);

    private Expression ParsePower() => ParseBinary(["**"], () => ParseSigned(withFilters: true));

    private Expression ParseBinary(string[] signs, Func<Expression> operand)
    {
        var value = operand();
        while (Current.Kind == TokenKind.Operator && signs.Contains(Current.Text))
        {
            var sign = Take();
            value = new BinaryExpression(sign.Line, sign.Text, value, operand());
        }

        return value;
    }

    private Expression ParseSigned(bool withFilters)
    {
        Enter();
        var line = Current.Line;
        var value = IsSign("-") || IsSign("+")
            ? new SignExpression(line, isMinus: Take().Text == "-", operand: ParseSigned(withFilters: false))
            : ParsePrimary();
        value = ParsePostfix(value);
        Leave();
        return withFilters ? ParseFilters(value) : value;
    }

    private Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            var line = Current.Line;
            if (TrySign("."))
            {
                value = Current.Kind == TokenKind.Integer
                    ? new IndexExpression(line, value, new Constant(line, Integer(Take())))
                    : new AttributeExpression(line, value, ExpectName());
            }
            else if (TrySign("["))
            {
                value = ParseSubscript(value, line);
            }
            else if (IsSign("("))
            {
                value = new CallExpression(line, value, ParseArguments());
            }
            else
            {
                return value;
            }
        }
    }

    private Expression ParseSubscript(Expression target, int line)
    {
        Expression? start = IsSign(":") ? null : ParseExpression();
        if (start is not null && TrySign("]"))
            return new IndexExpression(line, target, start);
        Expect(":");
        Expression? stop = IsSign(":") || IsSign("]") ? null : ParseExpression();
        Expression? step = TrySign(":") && !IsSign("]") ? ParseExpression() : null;
        Expect("]");
        return new SliceExpression(line, target, start, stop, step);
    }

    private Expression ParsePrimary()
    {
        var token = Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Constant(token.Line, true),
                    "false" or "False" => new Constant(token.Line, false),
                    "none" or "None" => new Constant(token.Line, null),
                    _ => new NameExpression(token.Line, token.Text),
                };
            case TokenKind.String:
                var text = token.Text;
                while (Current.Kind == TokenKind.String)
                    text += Take().Text;
                return new Constant(token.Line, text);
            case TokenKind.Integer:
                return new Constant(token.Line, Integer(token));
            case TokenKind.Float:
                return new Constant(token.Line, double.Parse(token.Text, CultureInfo.InvariantCulture));
            case TokenKind.Operator when token.Text == "(":
                if (TrySign(")"))
                    return new ListExpression(token.Line, [], isTuple: true);
                var inner = ParseTuple();
                Expect(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListExpression(token.Line, ParseItems("]"), isTuple: false);
            case TokenKind.Operator when token.Text == "{":
                return ParseMap(token.Line);
            default:
                throw new TemplateFault($"a value was expected, found {(token.Kind == TokenKind.End ? "the end" : $"'{token.Text}'")}", token.Line);
        }
    }

    private Expression[] ParseItems(string end)
    {
        List<Expression> items = [];
        while (!TrySign(end))
        {
            if (items.Count > 0)
                Expect(",");
            if (TrySign(end))
                break;
            items.Add(ParseExpression());
        }

        return [.. items];
    }

    private MapExpression ParseMap(int line)
    {
        List<(Expression, Expression)> members = [];
        while (!TrySign("}"))
        {
            if (members.Count > 0)
                Expect(",");
            if (TrySign("}"))
                break;
            var key = ParseExpression();
            Expect(":");
            members.Add((key, ParseExpression()));
        }

        return new MapExpression(line, [.. members]);
    }

    private Expression ParseTest(Expression value, int line)
    {
        var isNegated = TryWord("not");
        var name = ParseDottedName();
        var arguments = ArgumentList.None;
        if (IsSign("("))
        {
            arguments = ParseArguments();
        }
        else if (Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || IsSign("[") || IsSign("{")
            || (Current.Kind == TokenKind.Name && Current.Text is not ("else" or "or" or "and" or "is" or "if" or "in" or "not")))
        {
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], []);
        }

        Expression test = new TestExpression(line, value, name, arguments);
        return isNegated ? new NotExpression(line, test) : test;
    }

    private string ParseDottedName()
    {
        var name = ExpectName();
        while (TrySign("."))
            name += "." + ExpectName();
        return name;
    }

    private static long Integer(Token token) => long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
        ? value
        : throw new TemplateFault($"the integer {token.Text} is beyond 64 bits", token.Line);
}
