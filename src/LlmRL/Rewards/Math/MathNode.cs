using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>An expression of an answer.</summary>
internal abstract record MathNode
{
    /// <summary>The exact value where the expression is a rational number, else null.</summary>
    public virtual Rational? Exact => null;

    /// <summary>The value at one point; NaN where it has none.</summary>
    /// <param name="valueOf">The point: a number for each symbol.</param>
    public virtual Complex Value(Func<string, double> valueOf) => Exact is { } exact ? exact.ToDouble() : double.NaN;

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

    public override Complex Value(Func<string, double> valueOf) => Name switch
    {
        "\\pi" => Math.PI,
        "e" => Math.E,
        "i" => Complex.ImaginaryOne,
        "\\infty" => double.PositiveInfinity,
        _ => valueOf(Name),
    };

    public bool IsConstant => Name is "\\pi" or "e" or "i" or "\\infty";
}

/// <summary>A binary operation: + * / ^.</summary>
internal sealed record OperationNode(char Operator, MathNode Left, MathNode Right) : MathNode
{
    private readonly Rational? exact = Combine(Operator, Left.Exact, Right.Exact);

    public override Rational? Exact => exact;

    public override IEnumerable<string> Symbols => Left.Symbols.Concat(Right.Symbols);

    public override Complex Value(Func<string, double> valueOf)
    {
        if (exact is { } number)
            return number.ToDouble();
        var (a, b) = (Left.Value(valueOf), Right.Value(valueOf));
        return Operator switch
        {
            '+' => a + b,
            '*' => a * b,
            '/' => b == Complex.Zero ? double.NaN : a / b,
            _ => Power(a, b),
        };
    }

    /// <summary>a^b, real where it can be: Complex.Pow alone leaves a rounding residue in the imaginary part.</summary>
    public static Complex Power(Complex a, Complex b)
    {
        if (b.Imaginary == 0 && b.Real == Math.Round(b.Real) && Math.Abs(b.Real) <= 16)
        {
            var power = Complex.One;
            for (var i = 0; i < Math.Abs((int)b.Real); i++)
                power *= a;
            return b.Real >= 0 ? power : power == Complex.Zero ? double.NaN : 1 / power;
        }

        return a.Imaginary == 0 && b.Imaginary == 0 && a.Real >= 0 ? Math.Pow(a.Real, b.Real) : Complex.Pow(a, b);
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
    private const int MaxFactorial = 500;

    private readonly Rational? exact = Evaluate(Name, Argument.Exact, Index);

    public override Rational? Exact => exact;

    public override IEnumerable<string> Symbols => Argument.Symbols;

    public override Complex Value(Func<string, double> valueOf)
    {
        if (exact is { } number)
            return number.ToDouble();
        var x = Argument.Value(valueOf);
        return Name switch
        {
            "sqrt" when x.Imaginary == 0 && x.Real < 0 && Index % 2 != 0 => -Math.Pow(-x.Real, 1.0 / Index),
            "sqrt" when Index == 2 && x.Imaginary == 0 && x.Real >= 0 => Math.Sqrt(x.Real),
            "sqrt" => OperationNode.Power(x, 1.0 / Index),
            "sin" => Complex.Sin(x),
            "cos" => Complex.Cos(x),
            "tan" => Complex.Tan(x),
            "cot" => 1 / Complex.Tan(x),
            "sec" => 1 / Complex.Cos(x),
            "csc" => 1 / Complex.Sin(x),
            "arcsin" => Complex.Asin(x),
            "arccos" => Complex.Acos(x),
            "arctan" => Complex.Atan(x),
            "sinh" => Complex.Sinh(x),
            "cosh" => Complex.Cosh(x),
            "tanh" => Complex.Tanh(x),
            "ln" or "log" => x == Complex.Zero ? double.NaN : Complex.Log(x),
            "exp" => Complex.Exp(x),
            "abs" => Complex.Abs(x),
            "floor" => Math.Floor(x.Real),
            "ceil" => Math.Ceiling(x.Real),
            _ => double.NaN,
        };
    }

    private static Rational? Evaluate(string name, Rational? argument, int index)
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
