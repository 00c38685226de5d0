using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>An expression of an answer.</summary>
internal abstract record MathNode
{
    /// <summary>The exact value where the expression is a rational number, else null.</summary>
    public virtual Rational? Exact => null;

    /// <summary>The value at one point, unknown where it has none.</summary>
    public Ball Value(MathPoint point)
    {
        if (!point.Spend())
            return Ball.Unknown;
        if (Exact is not { } exact)
            return Evaluate(point);
        return exact.IsInteger && BigInteger.Abs(exact.Numerator) < 1L << 53 ? new Ball((double)exact.Numerator, 0) : Ball.Of(exact.ToDouble());
    }

    /// <summary>The value where it is not a rational number.</summary>
    protected virtual Ball Evaluate(MathPoint point) => Ball.Unknown;

    /// <summary>The symbols in it.</summary>
    public virtual IEnumerable<string> Symbols => [];
}

internal sealed record NumberNode(Rational Number, int Decimals = 0) : MathNode
{
    public override Rational? Exact => Number;
}

internal sealed record SymbolNode(string Name) : MathNode
{
    public override IEnumerable<string> Symbols => [Name];

    protected override Ball Evaluate(MathPoint point) => Name switch
    {
        "\\pi" => Ball.Of(Math.PI),
        "e" => Ball.Of(Math.E),
        "i" => new Ball(Complex.ImaginaryOne, 0),
        "\\infty" => Ball.Unknown,
        _ => point.ValueOf(Name),
    };

    public bool IsConstant => Name is "\\pi" or "e" or "i" or "\\infty";
}

/// <summary>A binary operation: + * / ^.</summary>
internal sealed record OperationNode(char Operator, MathNode Left, MathNode Right) : MathNode
{
    private readonly Rational? exact = Combine(Operator, Left.Exact, Right.Exact);

    public override Rational? Exact => exact;

    public override IEnumerable<string> Symbols => Left.Symbols.Concat(Right.Symbols);

    protected override Ball Evaluate(MathPoint point)
    {
        var (a, b) = (Left.Value(point), Right.Value(point));
        if (!a.IsKnown || !b.IsKnown)
            return Ball.Unknown;
        return Operator switch
        {
            '+' => a + b,
            '*' => a * b,
            '/' => a / b,
            _ => Ball.Power(a, b),
        };
    }

    private static Rational? Combine(char operation, Rational? left, Rational? right) => (left, right) is ({ } a, { } b)
        ? operation switch
        {
            '+' => Rational.Add(a, b),
            '*' => Rational.Multiply(a, b),
            '/' => Rational.Divide(a, b),
            _ => Rational.Power(a, b),
        }
        : null;
}

/// <summary>A function of one argument, its name as LaTeX spells it without the backslash.</summary>
internal sealed record FunctionNode(string Name, MathNode Argument, int Index = 2) : MathNode
{
    // Beyond this a factorial has more digits than Rational handles anyway.
    private const int MaxFactorial = 300;

    private readonly Rational? exact = Exactly(Name, Argument.Exact, Index);

    public override Rational? Exact => exact;

    public override IEnumerable<string> Symbols => Argument.Symbols;

    protected override Ball Evaluate(MathPoint point)
    {
        var x = Argument.Value(point);
        if (!x.IsKnown)
            return Ball.Unknown;
        var z = x.Middle;
        return Name switch
        {
            "sqrt" => Ball.Root(x, Index),
            "sin" => Ball.Image(x, Complex.Sin(z), Complex.Cos(z)),
            "cos" => Ball.Image(x, Complex.Cos(z), Complex.Sin(z)),
            "tan" => Trigonometric(x, sine: true) / Trigonometric(x, sine: false),
            "cot" => Trigonometric(x, sine: false) / Trigonometric(x, sine: true),
            "sec" => new Ball(1, 0) / Trigonometric(x, sine: false),
            "csc" => new Ball(1, 0) / Trigonometric(x, sine: true),
            "arcsin" => Ball.Image(x, x.IsReal && Math.Abs(z.Real) <= 1 ? Math.Asin(z.Real) : Complex.Asin(z), 1 / Complex.Sqrt(1 - (z * z))),
            "arccos" => Ball.Image(x, x.IsReal && Math.Abs(z.Real) <= 1 ? Math.Acos(z.Real) : Complex.Acos(z), 1 / Complex.Sqrt(1 - (z * z))),
            "arctan" => Ball.Image(x, x.IsReal ? Math.Atan(z.Real) : Complex.Atan(z), 1 / (1 + (z * z))),
            "sinh" => Ball.Image(x, Complex.Sinh(z), Complex.Cosh(z)),
            "cosh" => Ball.Image(x, Complex.Cosh(z), Complex.Sinh(z)),
            "tanh" => Ball.Image(x, Complex.Tanh(z), Complex.One),
            "ln" or "log" => x.Magnitude <= x.Radius ? Ball.Unknown : Ball.Image(x, Complex.Log(z), 1 / z),
            "exp" => Ball.Image(x, Complex.Exp(z), Complex.Exp(z)),
            "abs" => new Ball(x.Magnitude, x.Radius + (1e-15 * x.Magnitude)),
            "floor" => Ball.Step(x, Math.Floor),
            "ceil" => Ball.Step(x, Math.Ceiling),
            _ => Ball.Unknown,
        };
    }

    private static Ball Trigonometric(Ball x, bool sine) => sine
        ? Ball.Image(x, Complex.Sin(x.Middle), Complex.Cos(x.Middle))
        : Ball.Image(x, Complex.Cos(x.Middle), Complex.Sin(x.Middle));

    private static Rational? Exactly(string name, Rational? argument, int index)
    {
        if (argument is not { } x)
            return null;
        switch (name)
        {
            case "abs":
                return x.Abs();
            case "floor":
                return Rational.Of(BigInteger.Divide(x.Numerator - (x.Numerator.Sign < 0 ? x.Denominator - 1 : 0), x.Denominator), 1);
            case "ceil":
                return Rational.Of(BigInteger.Divide(x.Numerator + (x.Numerator.Sign > 0 ? x.Denominator - 1 : 0), x.Denominator), 1);
            case "factorial" when x.IsInteger && x.Numerator.Sign >= 0 && x.Numerator <= MaxFactorial:
                var product = BigInteger.One;
                for (var i = 2; i <= (int)x.Numerator; i++)
                    product *= i;
                return Rational.Of(product, 1);
            case "sqrt" when Root(x.Numerator, index) is { } top && Root(x.Denominator, index) is { } bottom:
                return Rational.Of(top, bottom);
            default:
                return null;
        }
    }

    // An exact root, found from the floating-point one and checked.
    private static BigInteger? Root(BigInteger value, int index)
    {
        if (index is < 2 or > 64 || (value.Sign < 0 && index % 2 == 0) || BigInteger.Abs(value) > (BigInteger)1e15)
            return null;
        var root = (BigInteger)Math.Round(Math.Sign((int)value.Sign) * Math.Pow(Math.Abs((double)value), 1.0 / index));
        return BigInteger.Pow(root, index) == value ? root : null;
    }
}

/// <summary>Items in brackets: a point, an interval, a vector; { } for a set, and two spaces for a list in no brackets.</summary>
internal sealed record TupleNode(char Open, IReadOnlyList<MathNode> Items, char Close) : MathNode
{
    public bool IsSet => Open == '{';

    public bool IsList => Open == ' ';

    public override IEnumerable<string> Symbols => Items.SelectMany(item => item.Symbols);
}

/// <summary>A union of intervals and sets.</summary>
internal sealed record UnionNode(IReadOnlyList<MathNode> Parts) : MathNode;

internal sealed record MatrixNode(IReadOnlyList<IReadOnlyList<MathNode>> Rows) : MathNode
{
    public int Height => Rows.Count;

    public int Width => Rows.Count == 0 ? 0 : Rows.Min(row => row.Count);

    /// <summary>Every entry times a scalar.</summary>
    public MatrixNode Times(MathNode scalar) => new([.. Rows.Select(row => row.Select(entry => (MathNode)new OperationNode('*', scalar, entry)).ToArray())]);

    /// <summary>The determinant by its first row; null where the matrix is not square or larger than 4 × 4.</summary>
    public MathNode? Determinant()
    {
        if (Height != Width || Height is 0 or > 4)
            return null;
        if (Height == 1)
            return Rows[0][0];
        MathNode sum = new NumberNode(0);
        for (var column = 0; column < Width; column++)
        {
            var minor = new MatrixNode([.. Rows.Skip(1).Select(row => row.Where((_, c) => c != column).ToArray())]);
            var term = new OperationNode('*', Rows[0][column], minor.Determinant()!);
            sum = new OperationNode('+', sum, column % 2 == 0 ? term : new OperationNode('*', new NumberNode(-1), term));
        }

        return sum;
    }

    /// <summary>The sum or product of two matrices; null where the shapes do not fit.</summary>
    public static MatrixNode? Combine(char operation, MatrixNode a, MatrixNode b)
    {
        if (operation == '+')
        {
            return a.Height == b.Height && a.Width == b.Width
                ? new MatrixNode([.. a.Rows.Zip(b.Rows, (x, y) => x.Zip(y, (u, v) => new OperationNode('+', u, v)).ToArray<MathNode>())])
                : null;
        }

        // Products of wide matrices would multiply the work; no answer has them.
        if (a.Width != b.Height || a.Width == 0 || a.Width > 8 || a.Height > 8 || b.Width > 8)
            return null;
        return new MatrixNode([.. a.Rows.Select(row => Enumerable.Range(0, b.Width).Select(column => Enumerable.Range(0, a.Width)
            .Select(k => (MathNode)new OperationNode('*', row[k], b.Rows[k][column]))
            .Aggregate((sum, term) => new OperationNode('+', sum, term))).ToArray())]);
    }
}

/// <summary>left = right, left &lt; right, ….</summary>
internal sealed record RelationNode(MathNode Left, string Operator, MathNode Right) : MathNode
{
    public override IEnumerable<string> Symbols => Left.Symbols.Concat(Right.Symbols);
}
