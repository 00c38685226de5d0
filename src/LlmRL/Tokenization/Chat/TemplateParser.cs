namespace LlmRL.Tokenization.Chat;

/// <summary>Reads the statements of a template.</summary>
internal sealed class TemplateParser : ExpressionParser
{
    private static readonly string[] Unknown = ["include", "import", "from", "extends", "block", "autoescape", "trans", "do", "debug"];

    private int _loops;

    private TemplateParser(List<Token> tokens) : base(tokens)
    {
    }

    public static Block Parse(string source)
    {
        var parser = new TemplateParser(TemplateLexer.Read(source));
        var block = parser.ParseBlock([], out _);
        return block;
    }

    /// <summary>Statements up to a block tag with one of the names, which is taken; the end of the template without any.</summary>
    private Block ParseBlock(string[] ends, out string end)
    {
        Enter();
        var statements = new List<Statement>();
        while (true)
        {
            var token = Take();
            switch (token.Kind)
            {
                case TokenKind.End when ends.Length == 0:
                    Leave();
                    end = "";
                    return new Block([.. statements]);
                case TokenKind.End:
                    throw new TemplateFault($"the template ends before {{% {ends[^1]} %}}", token.Line);
                case TokenKind.Data:
                    statements.Add(new DataStatement(token.Line, token.Text));
                    break;
                case TokenKind.PrintBegin:
                    statements.Add(new PrintStatement(token.Line, ParseTuple()));
                    ExpectEnd(TokenKind.PrintEnd, "}}");
                    break;
                default:
                    if (Current.Kind == TokenKind.Name && ends.Contains(Current.Text))
                    {
                        Leave();
                        end = Take().Text;
                        return new Block([.. statements]);
                    }

                    statements.Add(ParseStatement());
                    break;
            }
        }
    }

    // A body that ends with one certain tag, which takes nothing further.
    private Block ParseBody(string end)
    {
        EndTag();
        var body = ParseBlock([end], out _);
        EndTag();
        return body;
    }

    private void EndTag() => ExpectEnd(TokenKind.BlockEnd, "%}");

    private void ExpectEnd(TokenKind kind, string spelling)
    {
        if (Current.Kind != kind)
            throw Unexpected($"'{spelling}'");
        Take();
    }

    private Statement ParseStatement()
    {
        var line = Current.Line;
        var word = ExpectName();
        switch (word)
        {
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            case "macro":
                return ParseMacro(line);
            case "filter":
                return ParseFilter(line);
            case "call":
                return ParseCall(line);
            case "with":
                return ParseWith(line);
            case "generation":
                return new GenerationStatement(line, ParseBody("endgeneration"));
            case "break" or "continue":
                if (_loops == 0)
                    throw new TemplateFault($"{{% {word} %}} stands outside every loop", line);
                EndTag();
                return new JumpStatement(line, word == "break" ? Flow.Break : Flow.Continue);
            default:
                throw new TemplateFault(Unknown.Contains(word)
                    ? $"{{% {word} %}} is not supported: write the template without it"
                    : $"{{% {word} %}} closes nothing or is no tag that is known", line);
        }
    }

    private IfStatement ParseIf(int line)
    {
        var branches = new List<(Expression, Block)>();
        Block? otherwise = null;
        string end;
        do
        {
            var condition = ParseTuple();
            EndTag();
            branches.Add((condition, ParseBlock(["elif", "else", "endif"], out end)));
        }
        while (end == "elif");

        if (end == "else")
        {
            EndTag();
            otherwise = ParseBlock(["endif"], out _);
        }

        EndTag();
        return new IfStatement(line, branches, otherwise);
    }

    private ForStatement ParseFor(int line)
    {
        var targets = ParseTargets();
        if (!TryWord("in"))
            throw Unexpected("'in'");
        var source = ParseTuple(withCondition: false);
        var condition = TryWord("if") ? ParseExpression() : null;
        if (IsWord("recursive"))
            throw new TemplateFault("loops with 'recursive' are not supported: write a macro that calls itself", line);
        EndTag();
        _loops++;
        var body = ParseBlock(["else", "endfor"], out var end);
        _loops--;
        Block? otherwise = null;
        if (end == "else")
        {
            EndTag();
            otherwise = ParseBlock(["endfor"], out _);
        }

        EndTag();
        return new ForStatement(line, targets, source, condition, body, otherwise);
    }

    private string[] ParseTargets()
    {
        var hasBrackets = TrySign("(");
        List<string> names = [ExpectName()];
        while (TrySign(",") && Current.Kind == TokenKind.Name && !IsWord("in"))
            names.Add(ExpectName());
        if (hasBrackets)
            Expect(")");
        return [.. names];
    }

    private SetStatement ParseSet(int line)
    {
        var targets = ParseTargets();
        var field = targets.Length == 1 && TrySign(".") ? ExpectName() : null;
        if (TrySign("="))
        {
            var value = ParseTuple();
            EndTag();
            return new SetStatement(line, targets, field, value, null);
        }

        // {% set a | filter %}…{% endset %}: the filters see the captured text.
        var captured = "captured text";
        var filters = IsSign("|") ? ParseFilters(new NameExpression(line, captured)) : null;
        var body = ParseBody("endset");
        if (filters is not null)
            body = new Block([new ScopeStatement(line, [(captured, new CaptureExpression(line, body))], new Block([new PrintStatement(line, filters)]))]);
        return new SetStatement(line, targets, field, null, body);
    }

    private MacroStatement ParseMacro(int line)
    {
        var name = ExpectName();
        return new MacroStatement(line, name, ParseParameters(), ParseMacroBody("endmacro"));
    }

    private CallStatement ParseCall(int line)
    {
        var parameters = IsSign("(") ? ParseParameters() : [];
        if (ParseExpression() is not CallExpression call)
            throw new TemplateFault("{% call %} wants the call of a macro", line);
        return new CallStatement(line, call, new MacroStatement(line, "caller", parameters, ParseMacroBody("endcall")));
    }

    private (string, Expression?)[] ParseParameters()
    {
        Expect("(");
        List<(string, Expression?)> parameters = [];
        while (!TrySign(")"))
        {
            if (parameters.Count > 0)
                Expect(",");
            parameters.Add((ExpectName(), TrySign("=") ? ParseExpression() : null));
        }

        return [.. parameters];
    }

    // A jump does not leave a macro.
    private Block ParseMacroBody(string end)
    {
        var loops = _loops;
        _loops = 0;
        var body = ParseBody(end);
        _loops = loops;
        return body;
    }

    // {% filter name %}…{% endfilter %} prints the captured text through its filters.
    private ScopeStatement ParseFilter(int line)
    {
        var captured = "captured text";
        var name = ExpectName();
        var arguments = IsSign("(") ? ParseArguments() : ArgumentList.None;
        var filters = ParseFilters(new FilterExpression(line, new NameExpression(line, captured), name, arguments));
        return new ScopeStatement(line, [(captured, new CaptureExpression(line, ParseBody("endfilter")))], new Block([new PrintStatement(line, filters)]));
    }

    private ScopeStatement ParseWith(int line)
    {
        List<(string, Expression)> names = [];
        while (Current.Kind == TokenKind.Name)
        {
            var name = ExpectName();
            Expect("=");
            names.Add((name, ParseExpression()));
            if (!TrySign(","))
                break;
        }

        return new ScopeStatement(line, [.. names], ParseBody("endwith"));
    }
}
