using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>A complex number known up to an error: the true value lies within <c>Radius</c> of <c>Middle</c>. Unknown values have a radius of infinity.</summary>
/// <remarks>Ball arithmetic after van der Hoeven 2009, to first order in the radius: a radius that is not small makes the result unknown.</remarks>
internal readonly record struct Ball(Complex Middle, double Radius)
{
    // Of one operation, and of one library function: some units in the last place.
    private const double OperationError = 5e-16;
    private const double FunctionError = 5e-15;

    // A larger relative radius is outside the reach of a first-order bound.
    private const double MostRelative = 1e-5;

    public static readonly Ball Unknown = new(Complex.Zero, double.PositiveInfinity);

    public double Magnitude => Middle.Magnitude;

    public bool IsKnown => double.IsFinite(Radius);

    public bool IsReal => Middle.Imaginary == 0;

    /// <summary>Whether the radius is small beside the value, or beside 1.</summary>
    public bool IsSharp => Radius <= Math.Max(1e-9 * Magnitude, 1e-11);

    /// <summary>A number rounded to double.</summary>
    public static Ball Of(double value) => Checked(value, OperationError * Math.Abs(value));

    public static Ball operator +(Ball a, Ball b)
    {
        var sum = a.Middle + b.Middle;
        return Checked(sum, a.Radius + b.Radius + (OperationError * sum.Magnitude));
    }

    public static Ball operator *(Ball a, Ball b)
    {
        var product = a.IsReal && b.IsReal ? a.Middle.Real * b.Middle.Real : a.Middle * b.Middle;
        return Checked(product, (a.Magnitude * b.Radius) + (b.Magnitude * a.Radius) + (a.Radius * b.Radius) + (OperationError * product.Magnitude));
    }

    public static Ball operator /(Ball a, Ball b)
    {
        var least = b.Magnitude - b.Radius;
        if (!(least > 0))
            return Unknown;
        var quotient = a.IsReal && b.IsReal ? a.Middle.Real / b.Middle.Real : a.Middle / b.Middle;
        return Checked(quotient, ((a.Radius + (quotient.Magnitude * b.Radius)) / least) + (OperationError * quotient.Magnitude));
    }

    /// <summary>Whether the two may be the same number.</summary>
    public bool Overlaps(Ball other) => (Middle - other.Middle).Magnitude <= Radius + other.Radius;

    /// <summary>The principal value of a^b; integer powers are products, so that real ones stay real.</summary>
    public static Ball Power(Ball a, Ball b)
    {
        if (b.IsReal && b.Middle.Real == Math.Round(b.Middle.Real) && Math.Abs(b.Middle.Real) <= 16)
        {
            var power = new Ball(Complex.One, 0);
            for (var i = 0; i < Math.Abs((int)b.Middle.Real); i++)
                power *= a;
            return b.Middle.Real >= 0 ? power : new Ball(Complex.One, 0) / power;
        }

        if (a.Magnitude <= a.Radius)
            return a.Magnitude == 0 && b.IsReal && b.Middle.Real > 0 ? new Ball(Complex.Zero, 0) : Unknown;
        var value = a.IsReal && b.IsReal && a.Middle.Real > 0 ? Math.Pow(a.Middle.Real, b.Middle.Real) : Complex.Pow(a.Middle, b.Middle);
        var logarithm = Complex.Log(a.Middle).Magnitude;
        var relative = (b.Magnitude * a.Radius / (a.Magnitude - a.Radius)) + (logarithm * b.Radius) + (FunctionError * (1 + (b.Magnitude * logarithm)));
        return relative > MostRelative ? Unknown : Checked(value, 1.1 * relative * value.Magnitude);
    }

    /// <summary>The real root of odd order of a negative number, else the principal one.</summary>
    public static Ball Root(Ball a, int order)
    {
        if (a.Magnitude == 0)
            return a;
        if (a.IsReal && a.Middle.Real < 0 && order % 2 != 0)
        {
            var root = Root(new Ball(-a.Middle, a.Radius), order);
            return root with { Middle = -root.Middle };
        }

        if (a.Magnitude <= a.Radius)
            return Unknown;
        var value = a.IsReal && a.Middle.Real > 0
            ? order == 2 ? Math.Sqrt(a.Middle.Real) : Math.Pow(a.Middle.Real, 1.0 / order)
            : order == 2 && a.IsReal ? new Complex(0, Math.Sqrt(-a.Middle.Real)) : Complex.Pow(a.Middle, 1.0 / order);
        var relative = (a.Radius / (a.Magnitude - a.Radius) / order) + FunctionError;
        return relative > MostRelative ? Unknown : Checked(value, 1.1 * relative * value.Magnitude);
    }

    /// <summary>f(x) with the radius |f'|·r.</summary>
    /// <param name="x">The argument.</param>
    /// <param name="value">f at the middle.</param>
    /// <param name="slope">f' at the middle.</param>
    public static Ball Image(Ball x, Complex value, Complex slope)
    {
        if (!x.IsKnown || x.Radius > MostRelative * Math.Max(1e-6, Math.Min(1, x.Magnitude)) && x.Radius > 1e-12)
            return Unknown;
        // The relative error of the argument's own rounding in a function is bounded by the slope, too.
        return Checked(value, (1.1 * slope.Magnitude * (x.Radius + (FunctionError * x.Magnitude))) + (FunctionError * value.Magnitude));
    }

    /// <summary>Floor or ceiling; unknown where the radius leaves a choice.</summary>
    public static Ball Step(Ball x, Func<double, double> step)
    {
        var (low, high) = (step(x.Middle.Real - x.Radius), step(x.Middle.Real + x.Radius));
        return low == high && x.IsReal ? Checked(low, 0) : Unknown;
    }

    private static Ball Checked(Complex middle, double radius) =>
        double.IsFinite(middle.Real) && double.IsFinite(middle.Imaginary) && double.IsFinite(radius) ? new Ball(middle, radius) : Unknown;
}

/// <summary>A point at which expressions are evaluated: a number for each symbol, and the work that is left.</summary>
internal sealed class MathPoint(int index, int positive, Func<bool> spend)
{
    private readonly Dictionary<string, Ball> values = [];

    /// <summary>Counts one node; false where no work is left.</summary>
    public bool Spend() => spend();

    /// <summary>The symbol's number: fixed by its name and the point, in ±[0.3, 2.3), positive at the first points, where roots and logarithms are real.</summary>
    public Ball ValueOf(string name)
    {
        if (values.TryGetValue(name, out var known))
            return known;
        var key = CounterRandom.Hash(name);
        var value = 0.3 + (2 * CounterRandom.Uniform(key, (ulong)index, 0));
        var ball = new Ball(index < positive || CounterRandom.Uniform(key, (ulong)index, 1) < 0.5 ? value : -value, 0);
        values[name] = ball;
        return ball;
    }
}
