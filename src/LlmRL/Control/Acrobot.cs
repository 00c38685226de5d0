namespace LlmRL.Control;

/// <summary>
/// Two links hanging from a fixed joint; a torque of −1, 0 or +1 N·m (actions 0, 1, 2) on the joint between them must swing the free end above
/// the line one link length over the fixed joint. State: θ₁ from hanging down, θ₂ relative to the first link, and their speeds. Reward −1 a step, 0 at the goal.
/// </summary>
/// <remarks>
/// Sutton 1996, "Generalization in reinforcement learning: successful examples using sparse coarse coding", with the equations of Sutton and Barto's book;
/// one Runge–Kutta step of 0.2 s an action, as in Gymnasium's Acrobot-v1.
/// </remarks>
public sealed class Acrobot : IEnvironment
{
    private const double TimeStep = 0.2, Gravity = 9.8, Link = 1.0, Mass = 1.0, Centre = 0.5, Inertia = 1.0;
    private const double LargestSpeed1 = 4 * Math.PI, LargestSpeed2 = 9 * Math.PI;

    private readonly double[] state = new double[4];

    /// <inheritdoc/>
    public string Id => "Acrobot-v1";

    /// <inheritdoc/>
    public int ObservationSize => 6;

    /// <inheritdoc/>
    public int ActionCount => 3;

    /// <inheritdoc/>
    public int StepLimit => 500;

    /// <inheritdoc/>
    public Span<double> State => state;

    /// <inheritdoc/>
    public void Reset(RandomStream random)
    {
        // Gymnasium starts from float32 numbers.
        foreach (ref var value in State)
            value = (float)(0.2 * random.NextDouble() - 0.1);
    }

    /// <inheritdoc/>
    public StepResult Step(int action)
    {
        var next = RungeKutta(new Motion(state[0], state[1], state[2], state[3]), action - 1.0);
        state[0] = Wrap(next.Angle1);
        state[1] = Wrap(next.Angle2);
        state[2] = Math.Clamp(next.Speed1, -LargestSpeed1, LargestSpeed1);
        state[3] = Math.Clamp(next.Speed2, -LargestSpeed2, LargestSpeed2);
        var reached = -Math.Cos(state[0]) - Math.Cos(state[1] + state[0]) > 1;
        return new StepResult(reached ? 0 : -1, reached);
    }

    /// <summary>cos θ₁, sin θ₁, cos θ₂, sin θ₂ and the two speeds.</summary>
    public void Observe(Span<float> observation)
    {
        var (sin1, cos1) = Math.SinCos(state[0]);
        var (sin2, cos2) = Math.SinCos(state[1]);
        (observation[0], observation[1]) = ((float)cos1, (float)sin1);
        (observation[2], observation[3]) = ((float)cos2, (float)sin2);
        (observation[4], observation[5]) = ((float)state[2], (float)state[3]);
    }

    /// <summary>The classical fourth-order step: s + h/6·(k₁ + 2k₂ + 2k₃ + k₄).</summary>
    private static Motion RungeKutta(Motion start, double torque)
    {
        var k1 = Derivative(start, torque);
        var k2 = Derivative(start.Along(k1, TimeStep / 2), torque);
        var k3 = Derivative(start.Along(k2, TimeStep / 2), torque);
        var k4 = Derivative(start.Along(k3, TimeStep), torque);
        return start.Along(k1.Along(k2, 2).Along(k3, 2).Along(k4, 1), TimeStep / 6);
    }

    // The order of operations is Gymnasium's: the motion is chaotic and would make any other rounding visible.
    private static Motion Derivative(Motion s, double torque)
    {
        var (sin2, cos2) = Math.SinCos(s.Angle2);
        var d1 = Mass * Centre * Centre + Mass * (Link * Link + Centre * Centre + 2 * Link * Centre * cos2) + Inertia + Inertia;
        var d2 = Mass * (Centre * Centre + Link * Centre * cos2) + Inertia;
        var phi2 = Mass * Centre * Gravity * Math.Cos(s.Angle1 + s.Angle2 - Math.PI / 2);
        var phi1 = -Mass * Link * Centre * s.Speed2 * s.Speed2 * sin2 - 2 * Mass * Link * Centre * s.Speed2 * s.Speed1 * sin2
            + (Mass * Centre + Mass * Link) * Gravity * Math.Cos(s.Angle1 - Math.PI / 2) + phi2;
        var change2 = (torque + d2 / d1 * phi1 - Mass * Link * Centre * s.Speed1 * s.Speed1 * sin2 - phi2)
            / (Mass * Centre * Centre + Inertia - d2 * d2 / d1);
        var change1 = -(d2 * change2 + phi1) / d1;
        return new Motion(s.Speed1, s.Speed2, change1, change2);
    }

    private static double Wrap(double angle)
    {
        while (angle > Math.PI)
            angle -= 2 * Math.PI;
        while (angle < -Math.PI)
            angle += 2 * Math.PI;
        return angle;
    }

    /// <summary>Angles and speeds, or their derivatives.</summary>
    private readonly record struct Motion(double Angle1, double Angle2, double Speed1, double Speed2)
    {
        public Motion Along(Motion slope, double length) => new(
            Angle1 + length * slope.Angle1, Angle2 + length * slope.Angle2, Speed1 + length * slope.Speed1, Speed2 + length * slope.Speed2);
    }
}
